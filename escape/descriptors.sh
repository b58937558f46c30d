# What is left open by the driver that became this shell.
strange=
for path in /proc/$$/fd/*; do
    target=$(readlink "$path") || continue
    case $target in
    pipe:* | anon_inode:* | /dev/null | /dev/urandom | /proc/* | /memfd:* | /home/work/descriptors.sh) ;;
    *) strange="$strange; ${path##*/} is $target" ;;
    esac
done
[ -z "$strange" ] && echo "HELD: nothing strange is open" || echo "ESCAPED: $strange"
