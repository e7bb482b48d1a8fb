#!/bin/sh
# A machine's log-ins, for real: rsyslogd, sshd, sudo and su, with a /dev of their own.
# Run as: unshare --mount sh syslog_world.sh DIRECTORY PORT
set -eu
dir=$1 port=$2

mount --make-rprivate /
mkdir "$dir/dev"
mount -t tmpfs none "$dir/dev"
for node in null zero random urandom tty ptmx; do cp -a "/dev/$node" "$dir/dev/"; done
mkdir "$dir/dev/pts"
mount --bind /dev/pts "$dir/dev/pts"
ln -s /proc/self/fd "$dir/dev/fd"
ln -s "$dir/log.sock" "$dir/dev/log"
mount --bind "$dir/dev" /dev
mkdir -p /run/sshd # Debian's sshd insists on it

until_there() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || exit 3
        sleep 0.05
    done
}

cat > "$dir/rsyslog.conf" <<EOF
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="$dir/log.sock")
*.* action(type="omfile" file="$dir/traditional.log" template="RSYSLOG_TraditionalFileFormat")
*.* action(type="omfile" file="$dir/iso.log" template="RSYSLOG_FileFormat")
*.* action(type="omfile" file="$dir/rfc5424.log" template="RSYSLOG_SyslogProtocol23Format")
EOF
cat > "$dir/sshd_config" <<EOF
Port $port
ListenAddress 127.0.0.1
HostKey $dir/hostkey
AuthorizedKeysFile $dir/key.pub
PidFile none
PermitRootLogin yes
PasswordAuthentication yes
KbdInteractiveAuthentication no
UsePAM yes
StrictModes no
EOF
printf '#!/bin/sh\necho wrong\n' > "$dir/askpass"
chmod 700 "$dir/askpass"
ssh-keygen -q -t ed25519 -N '' -f "$dir/hostkey"
ssh-keygen -q -t ed25519 -N '' -f "$dir/key"

rsyslogd -n -f "$dir/rsyslog.conf" -i "$dir/rsyslog.pid" &
syslogd=$!
until_there test -S "$dir/log.sock"
/usr/sbin/sshd -D -f "$dir/sshd_config" &
sshd=$!
# A second one without syslog writes what it says as bare text.
sed "s/^Port .*/Port $((port + 1))/" "$dir/sshd_config" > "$dir/sshd_config.bare"
/usr/sbin/sshd -D -E "$dir/bare.log" -f "$dir/sshd_config.bare" &
bare=$!

export SSH_ASKPASS="$dir/askpass" SSH_ASKPASS_REQUIRE=force
as() {
    ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o NumberOfPasswordPrompts=1 \
        -o ConnectionAttempts=50 -o ConnectTimeout=5 "$@" true || true
}
until_there grep -q 'Server listening' "$dir/traditional.log"
until_there grep -q 'Server listening' "$dir/bare.log"
as -p "$port" -i "$dir/key" root@127.0.0.1 &
one=$!
as -p "$port" -o PubkeyAuthentication=no root@127.0.0.1 &
two=$!
as -p "$port" -o PubkeyAuthentication=no -l 'nosuch from 10.9.9.9 port 1' 127.0.0.1 &
three=$!
as -p $((port + 1)) -o PubkeyAuthentication=no root@127.0.0.1 &
four=$!
sudo -u nobody /bin/echo mysql -pS3cret-4711
setpriv --reuid=daemon --regid=daemon --clear-groups sh -c 'echo wrong | sudo -S -p "" /bin/id' &
five=$!
setpriv --reuid=daemon --regid=daemon --clear-groups sh -c 'echo wrong | su root -c id' &
six=$!
su -s /bin/sh nobody -c :
wait $one $two $three $four $five $six || true
logger -u "$dir/log.sock" -t cron 'not for us'
logger -u "$dir/log.sock" -t su 'the last line'
until_there grep -q 'the last line' "$dir/rfc5424.log"
kill $sshd $bare $syslogd
