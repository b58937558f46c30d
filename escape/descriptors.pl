# What is left open by the driver that became this program.
use strict;
my @strange;
opendir(my $directory, "/proc/self/fd") or die;
for my $name (grep { /^\d+$/ } readdir $directory) {
    my $target = readlink("/proc/self/fd/$name") // next;
    push @strange, "$name is $target" unless $target =~ m{^(pipe:|anon_inode:|/dev/null|/dev/urandom|/proc/|/memfd:|/home/work/\Q@{[$0 =~ s{.*/}{}r]}\E$)};
}
print @strange ? "ESCAPED: @strange\n" : "HELD: nothing strange is open\n";
