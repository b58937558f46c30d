//! The node's side: it joins once, then keeps a link to control, whatever happens to either.
//!
//! What it keeps on disk is its key, its certificate and who control is ([`keep`]). Orders go to the agent through [`orders`], each
//! once; runs are carried by [`run`] over as many links as it takes; [`fence`] ends what must not outlive a silence.

mod dial;
mod doors;
mod fence;
mod file;
mod keep;
mod link;
mod orders;
mod pipe;
mod run;

use std::{path::PathBuf, sync::Arc, time::Duration};

use madang_ids::NodeId;
use madang_node_api::Node;
use tokio::sync::watch;
use tonic::{Code, Status, transport::Channel};

pub use dial::{Dial, Tcp};

use crate::{
    ELSEWHERE, JoinToken,
    tls::TlsError,
    wire::{JoinRequest, RenewRequest, link_client::LinkClient},
};
use doors::Doors;
use keep::Kept;

/// Pauses between attempts: doubled from the first to the last, each cut by up to a half at random so that a thousand nodes do not
/// come back at one instant. The last is well below what makes a node silent.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LAST: Duration = Duration::from_secs(2);
/// While control processes agree on who leads: somebody will in a moment.
const PAUSE_ELSEWHERE: Duration = Duration::from_millis(300);
/// One call that is no stream.
const CALL_WAIT: Duration = Duration::from_secs(20);

/// What a node needs to be one of control's.
#[derive(Debug, Clone)]
pub struct MemberConfig {
    /// Where key and certificate are kept; made if missing, for this user only.
    pub directory: PathBuf,
    /// `host:port` of control's listeners for nodes, asked in turn: a control plane may be several processes.
    pub controls: Vec<String>,
    /// For the first time only.
    pub token: Option<JoinToken>,
    pub name: String,
    /// Time between two beats.
    pub beat: Duration,
    /// Control that says nothing for so long is not there; the link is made anew.
    pub silent: Duration,
    /// A certificate is renewed after so long; half of its life where that is sooner.
    pub renew_after: Duration,
    /// Milliseconds since the machine booted, sleep included: the clock of leases, which goes on while no agent runs.
    pub uptime_ms: fn() -> u64,
}

impl MemberConfig {
    /// `controls` are separated by commas.
    pub fn new(directory: PathBuf, controls: String, name: String) -> Self {
        let (beat, silent) = (Duration::from_millis(1_000), Duration::from_millis(4_500));
        let controls = controls.split(',').map(str::trim).filter(|control| !control.is_empty());
        Self {
            directory,
            controls: controls.map(str::to_owned).collect(),
            token: None,
            name,
            beat,
            silent,
            renew_after: Duration::MAX,
            uptime_ms: fence::uptime_ms,
        }
    }
}

/// Why a node is not, or no longer, one of control's.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    #[error("keeping the node's key and certificate in {path}")]
    Keep { path: String, source: std::io::Error },
    #[error("{path} is damaged: {why}; remove it to join anew")]
    Damaged { path: String, why: String },
    #[error("this machine has not joined yet: a join token is needed")]
    NoToken,
    #[error("this node belongs to another control plane than the token: remove {path} to join anew")]
    OtherControl { path: String },
    #[error("making a key: {0}")]
    Key(#[from] rcgen::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Control has said no; trying again would change nothing.
    #[error("control refuses this node: {0}")]
    Refused(String),
    #[error("control cannot be reached: {0}")]
    Unreachable(String),
    /// This control process does not lead; perhaps it knows which one does.
    #[error("another control process leads")]
    Elsewhere(Option<String>),
}

impl MemberError {
    /// Whether another attempt may go better.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Elsewhere(_))
    }
}

impl From<Status> for MemberError {
    fn from(status: Status) -> Self {
        if let Some(address) = status.metadata().get(ELSEWHERE) {
            let address = address.to_str().ok().filter(|address| !address.is_empty());
            return Self::Elsewhere(address.map(str::to_owned));
        }
        match status.code() {
            Code::PermissionDenied | Code::Unauthenticated | Code::FailedPrecondition | Code::InvalidArgument => {
                Self::Refused(status.message().to_owned())
            }
            _ => Self::Unreachable(status.message().to_owned()),
        }
    }
}

type Client = LinkClient<Channel>;

/// A link that stands, for whoever has something to send.
#[derive(Clone)]
pub(crate) struct Standing {
    pub client: Client,
    /// Which control process is at the other end.
    pub control: Arc<str>,
}

impl Standing {
    /// Returns when this link does not count any more. Its connection may look alive for long: nobody must wait for it.
    pub async fn given_up(&self, mut links: watch::Receiver<Option<Standing>>) {
        // Each link has a text of its own.
        let other = |now: &Option<Standing>| now.as_ref().is_none_or(|now| !Arc::ptr_eq(&now.control, &self.control));
        // An error means that no links are made any more.
        let _ = links.wait_for(other).await;
    }
}

/// A machine that has joined.
pub struct Member {
    config: MemberConfig,
    kept: Kept,
    dial: Arc<dyn Dial>,
    doors: Doors,
    ticket_key: watch::Sender<Option<[u8; 32]>>,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").field("config", &self.config).field("node", &self.kept.node).finish_non_exhaustive()
    }
}

impl Member {
    /// Joins, unless this machine has joined before. Tries again while control cannot be reached.
    pub async fn join(config: MemberConfig, dial: Arc<dyn Dial>) -> Result<Self, MemberError> {
        let mut pause = Pause::default();
        let mut doors = Doors::default();
        let kept = match Kept::read(&config.directory)? {
            Some(kept) => kept.fits(&config)?,
            None => loop {
                let control = doors.next(&config)?;
                match join_once(&config, &control, &*dial).await {
                    Ok(kept) => break kept,
                    Err(error) if error.may_pass() => {
                        tracing::warn!(%error, "joining goes on");
                        pause.wait().await;
                    }
                    Err(error) => return Err(error),
                }
            },
        };
        let ticket_key = watch::Sender::new(keep::ticket_key(&config.directory));
        Ok(Self { config, kept, dial, doors: Doors::default(), ticket_key })
    }

    pub fn id(&self) -> NodeId {
        self.kept.node
    }

    /// What tickets are checked with, as control has last said, perhaps to an agent before this one; none before it has said anything.
    pub fn ticket_key(&self) -> watch::Receiver<Option<[u8; 32]>> {
        self.ticket_key.subscribe()
    }

    /// Keeps a link up and `node` in control's hands; returns only when control has said that this is no node of its own.
    pub async fn serve(mut self, node: Arc<dyn Node>) -> MemberError {
        let Ok(boot) = crate::random_word() else {
            return MemberError::Refused("random numbers cannot be had".to_owned());
        };
        let standing = watch::Sender::new(None);
        let heard = fence::Heard::open(self.config.directory.join(fence::FILE), self.config.uptime_ms);
        let _fence = fence::start(Arc::clone(&node), heard.clone());
        let (orders, mut done) = orders::Orders::new(Arc::clone(&node), standing.subscribe());
        let mut pause = Pause::default();
        loop {
            let ended = match self.client().await {
                Ok(client) => {
                    let shared = link::Shared {
                        renew_ms: self.kept.renew_ms(self.config.renew_after),
                        node: &*node,
                        boot: &boot,
                        orders: &orders,
                        heard: &heard,
                        standing: &standing,
                        ticket_key: &self.ticket_key,
                    };
                    let ended = link::keep(&self.config, shared, client, &mut done, &mut pause).await;
                    if standing.send_replace(None).is_some() {
                        self.doors.right(&self.config);
                    }
                    ended
                }
                Err(error) => error,
            };
            if !ended.may_pass() {
                return ended;
            }
            tracing::info!(why = %ended, "the link to control is made anew");
            self.doors.learn(&ended);
            match ended {
                MemberError::Elsewhere(_) => pause.wait_at_most(PAUSE_ELSEWHERE).await,
                _ => pause.wait().await,
            }
        }
    }

    /// A client over a new connection, with a certificate that is good for a while.
    async fn client(&mut self) -> Result<Client, MemberError> {
        let control = self.doors.next(&self.config)?;
        let client = dial::client(&*self.dial, &control, &self.kept.tls()?).await?;
        if self.kept.should_renew(self.config.renew_after) {
            match self.renew(client.clone()).await {
                Ok(()) => return dial::client(&*self.dial, &control, &self.kept.tls()?).await,
                Err(error) if error.may_pass() => tracing::warn!(%error, "the certificate is not renewed yet"),
                Err(error) => return Err(error),
            }
        }
        Ok(client)
    }

    async fn renew(&mut self, mut client: Client) -> Result<(), MemberError> {
        let request = RenewRequest { request: self.kept.request()?.into() };
        let renewed = timely(client.renew(request)).await?;
        self.kept.replace(&self.config.directory, renewed.certificate.to_vec(), renewed.ends_ms)?;
        tracing::info!("the certificate is renewed");
        Ok(())
    }
}

async fn join_once(config: &MemberConfig, control: &str, dial: &dyn Dial) -> Result<Kept, MemberError> {
    let token = config.token.as_ref().ok_or(MemberError::NoToken)?;
    // The same key each time: should the answer be lost, control knows who asks again.
    let key = keep::key(&config.directory)?;
    let tls = crate::tls::client(token.authority(), None)?;
    let mut client = dial::client(dial, control, &tls).await?;
    let request = JoinRequest {
        secret: token.secret().to_owned(),
        request: keep::request(&key)?.into(),
        name: config.name.clone(),
    };
    let joined = timely(client.join(request)).await?;
    Kept::write(config, key, token.authority(), joined)
}

async fn timely<T>(call: impl Future<Output = Result<tonic::Response<T>, Status>>) -> Result<T, MemberError> {
    let answer = tokio::time::timeout(CALL_WAIT, call).await;
    Ok(answer.map_err(|_| MemberError::Unreachable("it does not answer".to_owned()))??.into_inner())
}

/// Back-off with jitter.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    tries: u32,
}

impl Pause {
    /// After a success the next pause is a short one again.
    pub fn reset(&mut self) {
        self.tries = 0;
    }

    async fn wait(&mut self) {
        self.wait_at_most(PAUSE_LAST).await;
    }

    async fn wait_at_most(&mut self, last: Duration) {
        let full = PAUSE_FIRST.saturating_mul(1 << self.tries.min(16)).min(last);
        self.tries += 1;
        let mut random = [0; 2];
        // Without random numbers the pause is the whole one.
        let _ = getrandom::fill(&mut random);
        let cut = full.mul_f64(f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX) / 2.0);
        tokio::time::sleep(full - cut).await;
    }
}
