# Perl's driver: waits for requests on descriptor 3, answers on 4 (docs/design/0002-driver-protocol.md).
# It loads no module before the first query. Perl has no console of its own; this one keeps package variables,
# subroutines and, unlike the debugger's, `my` variables between queries.

# Above every lexical of this file, so that queries see none of them.
$Madang::Driver::evaluator = sub { package main; no strict; no warnings; eval $_[0] };

package Madang::Driver;
use strict;
use warnings;
no warnings 'once';

my $HEADER_BYTES_MAX = 4096;
my $FIONREAD = 0x541B;
my $NAMES_MAX = 2000;
my $ORDER_WAIT_ROUNDS_MAX = 250;
my $count = 0;
my $process = $$;
my (%kept, $console);

open(my $requests, '<&=:raw', 3) or exit 70;
open(my $events, '>&=:raw', 4) or exit 70;
# Descriptors above $^F are closed in programs that are started; these two were open before perl had a say.
require_cloexec($_) for $requests, $events;

sub require_cloexec {
    my ($handle) = @_;
    fcntl($handle, 2, 1);    # F_SETFD, FD_CLOEXEC
}

sub send_event {
    my ($verb, $payload, @arguments) = @_;
    utf8::encode($payload) if utf8::is_utf8($payload);
    my $event = join(' ', $verb, length $payload, @arguments) . "\n" . $payload;
    my $sent = 0;
    while ($sent < length $event) {
        my $wrote = syswrite($events, $event, length($event) - $sent, $sent);
        next if !defined $wrote && $!{EINTR};
        return if !defined $wrote;
        $sent += $wrote;
    }
}

sub read_bytes {
    my ($length) = @_;
    my $bytes = '';
    while (length $bytes < $length) {
        my $got = sysread($requests, $bytes, $length - length $bytes, length $bytes);
        next if !defined $got && $!{EINTR};
        exit 0 if !$got;
    }
    return $bytes;
}

sub read_header {
    my $header = '';
    while ($header !~ /\n\z/) {
        exit 70 if length $header > $HEADER_BYTES_MAX;
        $header .= read_bytes(1);
    }
    chomp $header;
    return split / /, $header;
}

sub set_environment {
    for my $entry (split /\0/, $_[0]) {
        my ($key, $value) = split /=/, $entry, 2;
        $ENV{$key} = $value if defined $value && length $key;
    }
}

sub unread_bytes {
    my ($handle) = @_;
    my $answer = pack 'i', 0;
    return ioctl($handle, $FIONREAD, $answer) ? unpack('i', $answer) : 0;
}

# Output in order: what went to one stream has been read before the other one is written.
package Madang::Driver::Stream {
    sub TIEHANDLE { my ($class, $own, $other) = @_; return bless { own => $own, other => $other }, $class }
    sub in_order {
        my ($self) = @_;
        for (1 .. $ORDER_WAIT_ROUNDS_MAX) {
            last if !Madang::Driver::unread_bytes($self->{other});
            select undef, undef, undef, 0.0002;
        }
        return $self->{own};
    }
    sub PRINT  { my $self = shift; my $own = $self->in_order; return print {$own} @_ }
    sub PRINTF { my $self = shift; my $own = $self->in_order; my $format = shift; return printf {$own} $format, @_ }
    sub WRITE {
        my ($self, $bytes, $length, $offset) = @_;
        return syswrite $self->in_order, $bytes, $length // length $bytes, $offset // 0;
    }
    sub BINMODE { my ($self, $layer) = @_; return defined $layer ? binmode($self->{own}, $layer) : binmode $self->{own} }
    sub FILENO { return fileno $_[0]{own} }
    sub CLOSE  { return close $_[0]{own} }
    sub OPEN   { my $self = shift; untie *STDOUT; return }
}

# Standard input, which says so before it blocks.
package Madang::Driver::Input {
    sub TIEHANDLE { my ($class, $own) = @_; return bless { own => $own }, $class }
    sub READLINE {
        my ($self) = @_;
        my $own = $self->{own};
        Madang::Driver::send_event('input', '', 'echo');
        return wantarray ? readline $own : scalar readline $own;
    }
    sub READ   { my $self = shift; my $own = $self->{own}; return read $own, $_[0], $_[1], $_[2] // 0 }
    sub GETC   { return getc $_[0]{own} }
    sub EOF    { return eof $_[0]{own} }
    sub FILENO { return fileno $_[0]{own} }
    sub BINMODE { my ($self, $layer) = @_; return defined $layer ? binmode($self->{own}, $layer) : binmode $self->{own} }
    sub CLOSE  { return close $_[0]{own} }
}

package Madang::Driver;

sub open_console {
    open(my $in, '<&=', 0);
    open(my $out, '>&=', 1);
    open(my $err, '>&=', 2);
    for my $handle ($out, $err) {
        select((select($handle), $| = 1)[0]);
    }
    tie *STDIN, 'Madang::Driver::Input', $in;
    tie *ARGV, 'Madang::Driver::Input', $in;    # `<>`; no query has arguments
    tie *STDOUT, 'Madang::Driver::Stream', $out, $err;
    tie *STDERR, 'Madang::Driver::Stream', $err, $out;
    require Data::Dumper;
    $console = 1;
}

# A value as text: plain ones as they are, structures by Data::Dumper.
sub show {
    my @values = @_;
    return if !@values || (@values == 1 && !defined $values[0]);
    local $Data::Dumper::Terse = 1;
    local $Data::Dumper::Indent = 1;
    local $Data::Dumper::Sortkeys = 1;
    my @texts = map { !defined $_ ? 'undef' : ref $_ ? Data::Dumper::Dumper($_) =~ s/\n\z//r : $_ } @values;
    print STDOUT join(' ', @texts), "\n";
}

# Where a closure over the scope of `$code` may be made: before its last statement, so that this one keeps its value, or
# else at its end. Which `;` or `}` ends the last statement but one only perl knows: a wrong guess does not compile.
sub closure_places {
    my ($code) = @_;
    $code =~ s/[\s;]+\z//;
    my @places;
    for my $mark (';', '}') {
        my $place = rindex $code, $mark;
        push @places, $place + 1 if $place >= 0 && substr($code, $place + 1) !~ /\b(?:my|state)\b|\A\s*\z/;
    }
    return @places;
}

# Code with a closure over its scope, in which the next query runs: that is how `my` variables live on. A closure keeps
# only variables that it mentions; names found where none is declared (in a string, say) do no harm.
sub with_closure {
    my ($code, $place) = @_;
    my $mentioned = join ', ', sort keys %kept;
    my $closure = ";BEGIN { \$Madang::Driver::evaluator = sub { "
        . "{ no strict; no warnings; if (0) { my \@mentioned = ($mentioned) } } eval \$_[0] } }";
    return defined $place ? substr($code, 0, $place) . $closure . substr($code, $place) : "$code\n$closure";
}

sub evaluate {
    my ($code) = @_;
    our $started = 0;
    my $head = "\$Madang::Driver::started = 1;\n#line 1 \"query $count\"\n";
    my $declared = 0;
    while ($code =~ /\b(?:my|state)\s*(\([^)]*\)|[\$\@%]\w+)/g) {
        my $names = $declared = $1;
        $kept{$1} = 1 while $names =~ /([\$\@%][A-Za-z_]\w*)/g && keys %kept < $NAMES_MAX;
    }
    my $here = $Madang::Driver::evaluator;
    return $here->($head . $code) if !$declared;
    for my $place (closure_places($code), undef) {
        my @values = $here->($head . with_closure($code, $place));
        return @values if $started || !defined $place;
        $Madang::Driver::evaluator = $here;
    }
}

sub run_query {
    my ($code) = @_;
    open_console() if !$console;
    $count++;
    my $status = 'ok';
    my @values;
    {
        local $SIG{INT} = sub { die Madang::Driver::Interrupt->new };
        local $@;
        @values = evaluate($code);
        if (my $error = $@) {
            $error =~ s/^BEGIN not safe after errors.*\n//m if !ref $error;
            $status = ref $error eq 'Madang::Driver::Interrupt' ? 'interrupted' : 'error';
            print STDERR $status eq 'interrupted' ? "Interrupted\n" : ref $error ? show_error($error) : $error;
        }
        else {
            # What `print` answers is no value that anybody asked to see.
            my $printed = $code =~ /(?:\A|[;\n}])\s*(?:print|printf|say)\b[^;]*;?\s*\z/;
            $printed or eval { show(@values); 1 } or print STDERR $@;
        }
    }
    POSIX::_exit(0) if $$ != $process && require POSIX;
    send_event('done', '', $status);
}

sub show_error {
    my ($error) = @_;
    my $text = eval { "$error" } // 'an error that cannot be shown';
    return $text =~ /\n\z/ ? $text : "$text\n";
}

sub Madang::Driver::Interrupt::new { return bless {}, shift }

send_event('ready', '');
while (1) {
    $SIG{INT} = sub { };    # between two requests an interrupt is for nobody
    my ($verb, $length) = read_header();
    my $payload = read_bytes($length);
    if    ($verb eq 'env')  { set_environment($payload) }
    elsif ($verb eq 'exec') { run_query($payload) }
}
