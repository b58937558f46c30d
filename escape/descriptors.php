<?php
// What is left open by the driver that became this program.
$strange = [];
foreach (scandir("/proc/self/fd") as $name) {
    $target = @readlink("/proc/self/fd/$name");
    if ($target === false) continue;
    if (!preg_match('~^(pipe:|anon_inode:|/dev/null|/dev/urandom|/proc/|/memfd:|/home/work/' . preg_quote(basename(__FILE__)) . '$)~', $target)) $strange[] = "$name is $target";
}
echo $strange ? "ESCAPED: " . implode("; ", $strange) . "\n" : "HELD: nothing strange is open\n";
