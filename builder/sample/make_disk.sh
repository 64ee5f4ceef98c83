#!/bin/sh
# Makes disk.vmdk, the empty disk of the sample base. Its partitions are those of Photon's
# dual-boot images: 4 MiB for GRUB's BIOS core, a 10 MiB EFI system partition, an ext4 root.
# Nothing in it is random or tells the time, so the same tools make the same bytes.
# Needs Linux with gdisk, dosfstools, e2fsprogs and qemu-utils.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
output=${1:-$here/disk.vmdk}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

time=1600000000
disk_size_mib=1024
esp_start_mib=5
esp_size_mib=10
root_start_mib=15
root_size_mib=$((disk_size_mib - root_start_mib - 1))

truncate -s "${disk_size_mib}M" disk
sgdisk --clear --disk-guid=5a3b1e00-5f5e-4000-8000-000000000000 \
  --new=1:1M:+4M --typecode=1:ef02 --partition-guid=1:5a3b1e00-5f5e-4000-8000-000000000001 \
  --new="2:${esp_start_mib}M:+${esp_size_mib}M" --typecode=2:ef00 --partition-guid=2:5a3b1e00-5f5e-4000-8000-000000000002 \
  --new="3:${root_start_mib}M:+${root_size_mib}M" --typecode=3:8300 \
  --partition-guid=3:5a3b1e00-5f5e-4000-8000-000000000003 disk > sgdisk.log

truncate -s "${esp_size_mib}M" esp
mkfs.fat --invariant -i 5a3b1e00 -h 10240 esp > mkfs.log

# Named features instead of a distribution's defaults; a small journal, which is all zeros.
truncate -s "${root_size_mib}M" root
printf '[fs_types]\next4 = {\ninode_size = 256\n}\n' > mke2fs.conf
E2FSPROGS_FAKE_TIME=$time MKE2FS_CONFIG="$work"/mke2fs.conf \
  mke2fs -q -F -t ext4 -b 4096 -I 256 -i 16384 -m 5 \
  -O none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg \
  -O sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum \
  -J size=4 -G 16 -U 5a3b1e00-5f5e-4000-8000-000000000010 \
  -E hash_seed=5a3b1e00-5f5e-4000-8000-000000000011,lazy_itable_init=1,lazy_journal_init=1 root

dd if=esp of=disk bs=1M seek=$esp_start_mib conv=notrunc,sparse status=none
dd if=root of=disk bs=1M seek=$root_start_mib conv=notrunc,sparse status=none

# qemu-img draws the content id and drops its leading zeros: eight digits can be replaced in place.
until grep -qa '^CID=[0-9a-f]\{8\}$' disk.vmdk 2>/dev/null; do
  qemu-img convert -O vmdk -o subformat=streamOptimized,adapter_type=lsilogic disk disk.vmdk
done
LC_ALL=C sed -i 's/^CID=[0-9a-f]*$/CID=5a3b1e00/' disk.vmdk
mv disk.vmdk "$output"
