#!/usr/bin/perl
# Stands in for the program while its unit is tested: tells /report what happened, and that it is ready.
use strict;
use warnings;
use Socket;

sub tell_report { open my $log, '>>', '/report/log' or die; print $log "@_\n"; close $log; }

my $command = $ARGV[0];
my $is_bad = -e '/report/bad';
tell_report($command);
exit($is_bad ? 78 : 0) if $command ne 'run';
exit 78 if $is_bad;

open my $file, '<', "$ENV{CREDENTIALS_DIRECTORY}/camera_gate-2" or die "no credential: $!";
chomp(my $password = <$file>);
tell_report("password $password");
open my $probe, '>', '/var/lib/sightline/probe' or die "state folder: $!";
tell_report('state writable');
tell_report('system writable') if open my $other, '>', '/etc/sightline/probe';

$SIG{TERM} = sub { tell_report('stopped'); exit 0 };
socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die "socket: $!";
send($socket, 'READY=1', 0, pack_sockaddr_un($ENV{NOTIFY_SOCKET})) or die "notify: $!";
tell_report('ready');
while (1) { send($socket, 'WATCHDOG=1', 0, pack_sockaddr_un($ENV{NOTIFY_SOCKET})); sleep 5; }
