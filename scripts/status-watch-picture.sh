#!/bin/sh
# status-watch-picture.sh FILE.svg [COLUMNS LINES]
# A picture of `status --watch` under traffic: an agent, four collectors and 120 exporters
# in namespaces of their own; one collector was killed some seconds ago. As
# root, after `make build`; needs tmux. Leaves nothing running.
set -eu
cd "$(dirname "$0")/.."
program=$PWD/.build/release/reuseport-agent
[ -x "$program" ] || program=$PWD/.build/debug/reuseport-agent
case ${1:-} in
--inside)
    mount -t tmpfs tmpfs /run
    mount -t bpf bpf /sys/fs/bpf
    ip link set lo up
    ip route add local 0.0.0.0/0 dev lo
    cat >/run/edge.yaml <<CONFIGURATION
pool: edge
collectors: [c1, c2, c3, c4]
groups:
  - {name: ipfix, protocol: udp, address: 0.0.0.0, port: 4739}
  - {name: bmp, protocol: tcp, address: 0.0.0.0, port: 1790}
restart_hold: 20s
state_file: /run/edge.json
CONFIGURATION
    "$program" run --config /run/edge.yaml 2>/run/agent.log &
    for name in c1 c2 c3 c4; do
        "$program" exec --collector $name -- "$program" demo-collector >/dev/null 2>&1 &
        last=$!
    done
    sleep 2
    perl -MSocket -e '
        srand 4;
        for my $i (1 .. 120) {
            socket(my $udp, PF_INET, SOCK_DGRAM, 0) or die;
            bind($udp, pack_sockaddr_in(0, pack("C4", 10, $i % 5, 7, $i))) or die "bind: $!";
            connect($udp, pack_sockaddr_in(4739, pack("C4", 127, 0, 0, 1))) or die;
            push @senders, ($udp) x (1 + int(rand(6)));
            next if $i % 4;
            socket(my $tcp, PF_INET, SOCK_STREAM, 0) or die;
            bind($tcp, pack_sockaddr_in(0, pack("C4", 10, $i % 5, 7, $i))) or die;
            connect($tcp, pack_sockaddr_in(1790, pack("C4", 127, 0, 0, 1)));
            push @sessions, $tcp;
        }
        while (1) {
            send($senders[rand @senders], "x" x (200 + rand 1000), 0) for 1 .. 60;
            select(undef, undef, undef, 0.02 + 0.01 * sin(time / 4));
        }' &
    tmux -S /run/tmux -f /dev/null new-session -d -x "$2" -y "$3" \
        "TERM=xterm-256color $program status --watch --interval 1"
    sleep 20
    kill -KILL $last
    sleep 6
    tmux -S /run/tmux capture-pane -e -p -t 0 >&3
    exit
    ;;
esac
file=${1:?usage: status-watch-picture.sh FILE.svg [COLUMNS LINES]}
columns=${2:-100}
lines=${3:-26}
screen=$(mktemp)
trap 'rm -f "$screen"' EXIT
unshare --net --mount --pid --fork --kill-child --mount-proc "$0" --inside "$columns" "$lines" 3>"$screen" >&2
# Each run of one colour is a text of its own, as wide as its cells: fonts differ.
perl -CSD -e '
    my ($columns, $lines) = splice @ARGV, 0, 2;
    my %colors = (32 => "#7ec97e", 33 => "#e5c07b", 31 => "#f07178", 36 => "#62c4d6");
    my ($w, $h, $y) = (8.4, 18, 0);
    printf qq(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-size="14" ), $columns * $w + 24, $lines * $h + 24;
    print qq(font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" role="img" aria-label="reuseport-agent status --watch">\n);
    print qq(<rect width="100%" height="100%" rx="8" fill="#15181e"/>\n);
    # tmux says what changes, also from one line to the next.
    my ($fill, $extra) = ("#d7dae0", "");
    while (<>) {
        chomp;
        my $x = 0;
        for my $part (split /(\e\[[0-9;]*m)/) {
            if ($part =~ /^\e\[([0-9;]*)m$/) {
                for my $code (split /;/, $1 || 0) {
                    ($fill, $extra) = ("#d7dae0", "") if $code == 0;
                    $fill = "#d7dae0" if $code == 39;
                    $extra = q( font-weight="bold") if $code == 1;
                    $fill = "#8a919e" if $code == 2;
                    $extra = "" if $code == 22;
                    $fill = $colors{$code} if $colors{$code};
                }
                next;
            }
            while ($part =~ /( *)(\S+(?: \S+)*)?/g) {
                $x += length $1;
                my $text = $2 // "";
                next unless length $text;
                my $cells = length $text;
                $text =~ s/&/&amp;/g; $text =~ s/</&lt;/g;
                printf qq(<text x="%.1f" y="%d" fill="%s"%s textLength="%.1f">%s</text>\n),
                    12 + $x * $w, 26 + $y * $h, $fill, $extra, $cells * $w, $text;
                $x += $cells;
            }
        }
        $y++;
    }
    print "</svg>\n"' "$columns" "$lines" "$screen" >"$file"
