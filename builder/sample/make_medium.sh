#!/bin/sh
# Makes medium.iso.gz, what boots of the sample medium: an ISO 9660 image with the extensions, the
# boot catalog and the two boot images of Photon's installer ISOs, and nothing else in it.
# The BIOS image halts the processor; the EFI image is an empty FAT of Photon's size. Nothing is
# random or tells the time, so the same tools make the same bytes.
# Needs Linux with xorriso, dosfstools and mtools.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
output=${1:-$here/medium.iso.gz}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

export SOURCE_DATE_EPOCH=1600000000 TZ=UTC LC_ALL=C
mkdir -p tree/isolinux tree/boot/grub2

# jmp 64, over the table that mastering writes; cli; hlt; jmp to hlt
printf '\353\076' >tree/isolinux/isolinux.bin
truncate -s 64 tree/isolinux/isolinux.bin
printf '\372\364\353\375' >>tree/isolinux/isolinux.bin
truncate -s 2048 tree/isolinux/isolinux.bin

truncate -s 3M tree/boot/grub2/efiboot.img
mkfs.fat --invariant -i 5a3b1e00 tree/boot/grub2/efiboot.img >mkfs.log
mmd -i tree/boot/grub2/efiboot.img ::EFI ::EFI/BOOT

find tree -exec touch -d @$SOURCE_DATE_EPOCH {} +
xorriso -as mkisofs -quiet -R -l -L -D -no-pad --set_all_file_dates set_to_mtime \
  -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table \
  -eltorito-alt-boot -e boot/grub2/efiboot.img -no-emul-boot -V PHOTON_SAMPLE -o medium.iso tree
gzip -9n medium.iso
mv medium.iso.gz "$output"
