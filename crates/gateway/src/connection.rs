//! One connection: who signs in, and which channels they open.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use madang_node_api::{ExecControl, ExecSpec};
use russh::{
    Channel, ChannelId, ChannelOpenFailure, ChannelWriteHalf, Pty, Sig,
    server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey},
};
use tokio::sync::watch;

use crate::{
    Admitted, Door, Guest, PublicKey,
    channel::{self, Line, Live, Sent},
    gate::Gate,
    places::{self, Place, Places},
    terminal::{self, Wishes},
};

/// Channels of one connection at once; one more is refused.
const CHANNELS_MAX: usize = 64;
/// Longest login: the name of a session or its id, and a sandbox's name.
const LOGIN_BYTES_MAX: usize = 256;
/// Longest command line.
const COMMAND_BYTES_MAX: usize = 60 << 10;
/// Bash where there is one. `$0` is what the client wants.
const COMMAND: &str = "if [ -x /bin/bash ]; then exec /bin/bash -c \"$0\"; else exec /bin/sh -c \"$0\"; fi";
const SHELL: &str = "if [ -x /bin/bash ]; then exec /bin/bash -l; else exec /bin/sh -l; fi";
/// Wherever a distribution has it.
const SFTP: &str = "for server in /usr/lib/openssh/sftp-server /usr/lib/ssh/sftp-server /usr/libexec/openssh/sftp-server \
    /usr/libexec/sftp-server; do [ -x $server ] && exec $server; done; \
    echo 'madang: this image has no sftp-server (in Debian: openssh-sftp-server)' >&2; exit 127";

/// Whether somebody has signed in, for whoever watches the time.
pub type SignedIn = watch::Sender<Option<Result<Arc<dyn Guest>, String>>>;

/// A connection's end on our side.
pub struct Connection {
    door: Arc<dyn Door>,
    peer: SocketAddr,
    gate: Arc<Gate>,
    signed_in: SignedIn,
    places: Places,
    /// Once somebody has signed in.
    place: Option<Place>,
    channels: HashMap<ChannelId, Phase>,
}

enum Phase {
    Opened(ChannelWriteHalf<Msg>, Wishes),
    Live(Live),
}

impl Connection {
    pub fn new(door: Arc<dyn Door>, peer: SocketAddr, gate: Arc<Gate>, signed_in: SignedIn, places: Places) -> Self {
        Self { door, peer, gate, signed_in, places, place: None, channels: HashMap::new() }
    }

    fn guest(&self) -> Option<Result<Arc<dyn Guest>, String>> {
        self.signed_in.borrow().clone()
    }

    /// Whether one more channel may be opened.
    fn has_room(&mut self) -> bool {
        self.channels.retain(|_, phase| !matches!(phase, Phase::Live(live) if live.is_over()));
        self.channels.len() < CHANNELS_MAX
    }

    /// Starts a program on a channel where none was started.
    fn start(
        &mut self,
        channel: ChannelId,
        script: &str,
        command: Option<String>,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let guest = self.guest();
        let (Some(Phase::Opened(out, wishes)), Some(guest)) = (self.channels.remove(&channel), guest) else {
            return session.channel_failure(channel);
        };
        session.channel_success(channel)?;
        let argv = ["/bin/sh", "-c", script].map(str::to_owned).into_iter().chain(command).collect();
        let (env, terminal) = wishes.into_parts();
        let line = Line { id: channel, out, handle: session.handle(), gate: Arc::clone(&self.gate) };
        let live = channel::program(line, guest, ExecSpec { argv, env, terminal, aside: false });
        self.channels.insert(channel, Phase::Live(live));
        Ok(())
    }

    fn wishes(&mut self, channel: ChannelId) -> Option<&mut Wishes> {
        match self.channels.get_mut(&channel) {
            Some(Phase::Opened(_, wishes)) => Some(wishes),
            _ => None,
        }
    }

    fn live(&self, channel: ChannelId) -> Option<&Live> {
        match self.channels.get(&channel) {
            Some(Phase::Live(live)) => Some(live),
            _ => None,
        }
    }
}

fn answer(good: bool, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
    if good { session.channel_success(channel) } else { session.channel_failure(channel) }
}

/// Addresses that mean the session itself.
fn is_loopback(host: &str) -> bool {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey_offered(&mut self, _: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        let known = self.door.knows(&PublicKey::of(offer.public_key)).await;
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(&mut self, login: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        let key = PublicKey::of(key.public_key);
        if login.len() > LOGIN_BYTES_MAX {
            return Ok(Auth::reject());
        }
        match self.door.admit(login, &key).await {
            Some(Admitted { user, guest }) => {
                let Some((place, usable)) = self.places.take_of(&user) else { return Ok(Auth::reject()) };
                self.place = Some(place);
                tracing::debug!(peer = %self.peer, key = key.fingerprint(), "somebody has signed in by SSH");
                let guest = if usable { guest } else { Err(places::too_many()) };
                self.signed_in.send_replace(Some(guest));
                Ok(Auth::Accept)
            }
            None => Ok(Auth::reject()),
        }
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if !self.has_room() {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        let id = channel.id();
        // What comes in is heard through this handler.
        let (_, out) = channel.split();
        self.channels.insert(id, Phase::Opened(out, Wishes::default()));
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let (room, guest) = (self.has_room(), self.guest());
        let refused = match (u16::try_from(port), guest) {
            _ if !room => ChannelOpenFailure::ResourceShortage,
            (Ok(port), Some(Ok(guest))) if port > 0 && is_loopback(host) => {
                let id = channel.id();
                let (_, out) = channel.split();
                let line = Line { id, out, handle: session.handle(), gate: Arc::clone(&self.gate) };
                self.channels.insert(id, Phase::Live(channel::port(line, guest, port, reply)));
                return Ok(());
            }
            _ => ChannelOpenFailure::AdministrativelyProhibited,
        };
        reply.reject(refused).await;
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        term: &str,
        cols: u32,
        rows: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let wishes = self.wishes(channel);
        let good = wishes.map(|wishes| wishes.terminal(term, cols, rows)).is_some();
        answer(good, channel, session)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let good = self.wishes(channel).is_some_and(|wishes| wishes.set(name, value));
        answer(good, channel, session)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        self.start(channel, SHELL, None, session)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        match std::str::from_utf8(data) {
            Ok(command) if data.len() <= COMMAND_BYTES_MAX && !command.contains('\0') => {
                self.start(channel, COMMAND, Some(command.to_owned()), session)
            }
            _ => session.channel_failure(channel),
        }
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        match name {
            "sftp" => self.start(channel, SFTP, None, session),
            _ => session.channel_failure(channel),
        }
    }

    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        cols: u32,
        rows: u32,
        _: u32,
        _: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let live = self.live(channel);
        let good = live.map(|live| live.control(ExecControl::Resize(terminal::size(cols, rows)))).is_some();
        answer(good, channel, session)
    }

    async fn signal(&mut self, channel: ChannelId, signal: Sig, _: &mut Session) -> Result<(), Self::Error> {
        if let (Some(live), Some(number)) = (self.live(channel), terminal::number(&signal)) {
            live.control(ExecControl::Signal(number));
        }
        Ok(())
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _: bool,
        _: &str,
        _: &str,
        _: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _: &mut Session) -> Result<(), Self::Error> {
        if let Some(Ok(guest)) = &*self.signed_in.borrow() {
            guest.used();
        }
        let Some(live) = self.live(channel).filter(|live| !live.is_over()) else { return Ok(()) };
        match self.gate.hold(data.len()) {
            Some(waiting) => live.send(Sent::Bytes(data.to_vec(), waiting)),
            None => {
                tracing::warn!(peer = %self.peer, "a client sends more than its programs read; its connection ends");
                return Err(russh::Error::Disconnect);
            }
        }
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), Self::Error> {
        if let Some(live) = self.live(channel) {
            live.send(Sent::End);
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), Self::Error> {
        self.channels.remove(&channel);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_the_session_itself_is_forwarded_to() {
        for host in ["localhost", "127.0.0.1", "127.1.2.3", "::1", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["", "0.0.0.0", "::", "10.0.0.1", "169.254.169.254", "example.org", "localhost.example", "::ffff:127.0.0.1"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
