#!/bin/sh
# Installs the programs that the tests judge with, on Debian and Ubuntu; elsewhere, or without
# the right to install, says what is missing. Nothing happens when all is there.
#
#   tools/judges.sh           install what is missing
#   tools/judges.sh --check   only say it; exit status 1 when something is missing
set -eu

PATH=$PATH:/usr/sbin:/sbin

# program or file, its package on Debian and Ubuntu
table='
/usr/lib/ISOLINUX/isohdpfx.bin isolinux
/usr/lib/ISOLINUX/isolinux.bin isolinux
/usr/lib/grub-rescue/grub-rescue-cdrom.iso grub-rescue-pc
/usr/lib/grub/i386-pc/boot.img grub-pc-bin
/usr/lib/grub/x86_64-efi/moddep.lst grub-efi-amd64-bin
/usr/lib/ipxe/ipxe.iso ipxe
/usr/lib/memtest86+/memtest86+x64.iso memtest86+
/usr/lib/x86_64-linux-gnu/ganesha/libfsalvfs.so nfs-ganesha-vfs
/usr/lib/syslinux/modules/bios/vesamenu.c32 syslinux-common
/usr/share/AAVMF/AAVMF_CODE.fd qemu-efi-aarch64
/usr/share/OVMF/OVMF_CODE_4M.fd ovmf
/usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
/usr/lib/systemd/systemd systemd
/usr/lib/systemd/systemd-sysctl systemd
7z p7zip-full
blkid util-linux
bmaptool bmap-tools
blockdev util-linux
bsdtar libarchive-tools
btrfs btrfs-progs
bzip2 bzip2
checkisomd5 isomd5sum
cmp diffutils
cpio cpio
createrepo_c createrepo-c
cryptsetup cryptsetup-bin
db5.3_load db5.3-util
dash dash
debugfs e2fsprogs
docker-compose docker-compose
docker-registry docker-registry
depmod kmod
dumpe2fs e2fsprogs
e2fsck e2fsprogs
findmnt util-linux
fsck.fat dosfstools
fuse2fs fuse2fs
ganesha.nfsd nfs-ganesha
genisoimage genisoimage
gpg gpg
grub-mkimage grub-common
grub-mkrescue grub-common
grub-script-check grub-common
gzip gzip
igzip isal
ip iproute2
ip6tables iptables
ip6tables-restore iptables
losetup mount
lz4 lz4
make-bcache bcache-tools
minisign minisign
mkapfs apfsprogs
mkfs.btrfs btrfs-progs
bzip2 bzip2
mkfs.exfat exfatprogs
mkfs.fat dosfstools
mkfs.ntfs ntfs-3g
mkfs.xfs xfsprogs
mkswap util-linux
mmdebstrap mmdebstrap
mtools mtools
openssl openssl
parted parted
pigz pigz
ps procps
pvcreate lvm2
qemu-img qemu-utils
qemu-io qemu-utils
qemu-storage-daemon qemu-system-common
qemu-system-aarch64 qemu-system-arm
qemu-system-x86_64 qemu-system-x86
rpm rpm
sfdisk fdisk
setpriv util-linux
sgdisk gdisk
shellcheck shellcheck
skopeo skopeo
ssh-keygen openssh-client
sshd openssh-server
systemctl systemd
systemd-analyze systemd
tar tar
umoci umoci
unshare util-linux
visudo sudo
wpa_passphrase wpasupplicant
wpa_supplicant wpasupplicant
xmllint libxml2-utils
xorriso xorriso
xz xz-utils
zstd zstd
'
# The keyring is what mmdebstrap checks Debian's signatures with, also on Ubuntu.

is_there() {
  case $1 in
  /*) [ -e "$1" ] ;;
  *) command -v "$1" >/dev/null 2>&1 ;;
  esac
}

missing_packages() {
  echo "$table" | while read -r program package; do
    if [ -n "$program" ] && ! is_there "$program"; then
      echo "$package"
    fi
  done
}

say_missing() {
  echo "$table" | while read -r program package; do
    if [ -n "$program" ] && ! is_there "$program"; then
      echo "missing: $program (package $package on Debian and Ubuntu)"
    fi
  done
}

wanted=$(missing_packages | sort -u | tr '\n' ' ')
if [ -z "$wanted" ]; then
  echo "judges: all there"
  exit 0
fi
if [ "${1:-}" = --check ]; then
  say_missing
  exit 1
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
  as_root="sudo -n"
fi
if ! command -v apt-get >/dev/null 2>&1 || { [ -n "$as_root" ] && ! $as_root true 2>/dev/null; }; then
  say_missing
  echo "install them, or run this as root on Debian or Ubuntu: apt-get install $wanted" >&2
  exit 1
fi

echo "judges: installing $wanted"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086  # words are meant
install() { $as_root apt-get install -y -q --no-install-recommends $wanted; }
if ! install; then
  $as_root apt-get update -q
  install
fi
if [ -n "$(missing_packages)" ]; then
  say_missing
  exit 1
fi
echo "judges: all there"
