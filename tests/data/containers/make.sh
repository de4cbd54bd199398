#!/bin/sh
# Makes the files of this folder anew, by the programs they are named after. Debian: apt install gzip pigz bzip2 xz-utils
# zstd zip tar libarchive-tools 7zip. The checks of the tests are about what is in the files, not about their bytes.
set -eu
out=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
umask 022

# --- one text, compressed
printf '字 charvec\né😀\n' > short.txt
printf '第二部分\n' > more.txt
: > nothing.txt
for each in "gzip gz" "bzip2 bz2" "xz xz" "zstd zst"; do
    set -- $each
    tool=$1 suffix=$2
    quiet=$([ "$tool" = zstd ] && echo -q || true)
    $tool $quiet -c short.txt > "$out/$tool.$tool.txt.$suffix"
    $tool $quiet -c nothing.txt > "$out/$tool.empty.txt.$suffix"
    { $tool $quiet -c short.txt; $tool $quiet -c more.txt; } > "$out/$tool.parts.txt.$suffix"
done
pigz -c -p 2 short.txt > "$out/gzip.pigz.txt.gz"
7zz a -tgzip -bso0 seven.gz short.txt && cp seven.gz "$out/gzip.7zz.txt.gz"
{ gzip -c short.txt; head -c 700 /dev/zero; } > "$out/gzip.padded.txt.gz"
xz -c --check=none short.txt > "$out/xz.unchecked.txt.xz"
{ xz -c short.txt; head -c 8 /dev/zero; xz -c more.txt; head -c 4 /dev/zero; } > "$out/xz.padded.txt.xz"
pzstd -q -c -p 2 short.txt > "$out/zstd.pzstd.txt.zst"
cat short.txt | zstd -q -c --no-check > "$out/zstd.unsized.txt.zst"

# --- a folder, in archives
long=$(printf 'long%.0s' $(seq 40))
mkdir -p tree/dir tree/.hidden
cp short.txt tree/a.txt
printf '第二\n' > "tree/dir/乙.txt"
printf 'a name of many bytes\n' > "tree/dir/$long.txt"
printf 'seen by nobody\n' > tree/.hidden/c.txt
cp nothing.txt tree/empty.txt
gzip -nc more.txt > tree/packed.txt.gz
ln -s a.txt tree/link.txt
ln tree/a.txt tree/hard.txt
mkfifo tree/pipe

sort="--sort=name --owner=0 --group=0 --numeric-owner --mtime=2020-01-01T00:00:00Z -b 1"
for format in gnu oldgnu posix; do
    tar $sort --format=$format -C tree -cf "$out/tar.$format.tar" .
done
tar $sort --format=ustar --exclude='long*' -C tree -cf "$out/tar.ustar.tar" .
tar $sort --format=v7 --exclude='long*' --exclude=pipe -C tree -cf "$out/tar.v7.tar" .
for format in pax gnutar ustar; do
    bsdtar --format $format -b 1 --uid 0 --gid 0 -C tree -cf "$out/tar.bsdtar-$format.tar" $(cd tree && ls -A | grep -v "$([ $format = ustar ] && echo dir || echo nothing-at-all)")
done
7zz a -ttar -bso0 seven.tar ./tree/a.txt ./tree/dir && cp seven.tar "$out/tar.7zz.tar"
for each in "gzip gz" "bzip2 bz2" "xz xz" "zstd zst"; do
    set -- $each
    tar $sort --format=posix --use-compress-program="$1" -C tree -cf "$out/$1.tree.tar.$2" .
done
# sparse: text, a hole, text, as each of GNU tar's formats has it
printf 'before\n' > holes.txt
truncate -s 64K holes.txt
printf 'after\n' >> holes.txt
for pieces in 1 2 3 4 5 6 7 8; do truncate -s $((64 + pieces * 32))K holes.txt; printf 'piece %d\n' $pieces >> holes.txt; done
tar $sort --format=gnu -S -czf "$out/gzip.sparse-gnu.tar.gz" holes.txt
for version in 0.0 0.1 1.0; do
    tar $sort --format=posix -S --sparse-version=$version -czf "$out/gzip.sparse-$version.tar.gz" holes.txt
done

rm tree/pipe
(cd tree && zip -q -X -r -y "$out/new.zip" a.txt dir .hidden empty.txt packed.txt.gz link.txt) && mv "$out/new.zip" "$out/zip.zip.zip"
(cd tree && zip -q -X -r -0 "$out/new.zip" a.txt dir) && mv "$out/new.zip" "$out/zip.stored.zip"
(cd tree && zip -q -X -Z bzip2 "$out/new.zip" a.txt "dir/乙.txt") && mv "$out/new.zip" "$out/zip.zip-bzip2.zip"
(cd tree && zip -q -X -P secret "$out/new.zip" a.txt) && mv "$out/new.zip" "$out/zip.encrypted.zip"
(cd tree && zip -q -X -fz "$out/new.zip" a.txt "dir/乙.txt") && mv "$out/new.zip" "$out/zip.zip64.zip"
(cd tree && cat a.txt | zip -q -X "$out/new.zip" -) && mv "$out/new.zip" "$out/zip.piped.zip"
(cd tree && bsdtar --format zip -cf "$out/zip.bsdtar.zip" a.txt dir link.txt)
yes '字 charvec 第二' | head -c 3000 > tree/repeated.txt || true
for method in Deflate BZip2 LZMA Deflate64; do
    (cd tree && rm -f "$out/new.zip" && 7zz a -tzip -bso0 -mm=$method "$out/new.zip" repeated.txt) &&
        mv "$out/new.zip" "$out/zip.7zz-$(echo $method | tr A-Z a-z).zip"
done
(cd tree && 7zz a -tzip -bso0 -psecret -mem=AES256 "$out/new.zip" a.txt) && mv "$out/new.zip" "$out/zip.aes.zip"
