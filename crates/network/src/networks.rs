//! The handle: a thread that does one thing to the network after the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use madang_model::Network;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::{
    address::Reach,
    config::NetworkConfig,
    dns::{self, Pin, Rules, Served, Upstream},
    engine::{Attachment, Engine, Found, Place, Wanted},
    error::NetworkError,
    link,
    netlink::Socket,
};

/// What waits for the thread; past it callers are refused.
const ORDERS_MAX: usize = 1024;

type Order = Box<dyn FnOnce(&mut Engine) + Send>;

/// What has gone through a sandbox's link so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transferred {
    /// To the sandbox.
    pub in_bytes: u64,
    /// From it.
    pub out_bytes: u64,
}

impl Transferred {
    /// What has been added to `before`; nothing where a link has begun anew.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            in_bytes: self.in_bytes.saturating_sub(before.in_bytes),
            out_bytes: self.out_bytes.saturating_sub(before.out_bytes),
        }
    }
}

/// The networks of all sandboxes of this node.
#[derive(Debug, Clone)]
pub struct Networks {
    orders: SyncSender<Order>,
    /// By slot.
    attached: Arc<Mutex<BTreeMap<String, Attached>>>,
    /// Slots whose network was asked for and is not there yet: whoever asked may be gone, and the slot too.
    attaching: Arc<Mutex<BTreeSet<String>>>,
    counters: Arc<Mutex<Socket>>,
    names: Arc<Names>,
}

/// What name servers are made of.
#[derive(Debug)]
struct Names {
    reach: Reach,
    upstream: Upstream,
}

#[derive(Debug)]
struct Attached {
    attachment: Attachment,
    network: Network,
    session: String,
    peer: Option<String>,
    /// Its name server.
    served: Option<Served>,
}

impl Attached {
    fn new(attachment: Attachment, of: Known) -> Self {
        let Known { session, peer, network, .. } = of;
        Self { attachment, network, session, peer, served: None }
    }
}

/// A slot's network is on its way as long as this lives.
struct Attaching {
    all: Arc<Mutex<BTreeSet<String>>>,
    slot: String,
}

impl Attaching {
    fn begin(all: &Arc<Mutex<BTreeSet<String>>>, slot: &str) -> Self {
        lock(all).insert(slot.to_owned());
        Self { all: Arc::clone(all), slot: slot.to_owned() }
    }
}

impl Drop for Attaching {
    fn drop(&mut self) {
        lock(&self.all).remove(&self.slot);
    }
}

/// What is remembered of a sandbox whose network is being made.
struct Known {
    slot: String,
    session: String,
    peer: Option<String>,
    network: Network,
}

impl From<&Wanted> for Known {
    fn from(Wanted { slot, session, peer, network, .. }: &Wanted) -> Self {
        Self { slot: slot.clone(), session: session.clone(), peer: peer.clone(), network: network.clone() }
    }
}

impl Networks {
    /// Begins where a process before this one stopped: with those that live on and nothing else. Blocking, and in the network
    /// namespace of the calling thread.
    pub fn open(place: &Place, config: NetworkConfig, alive: Vec<Found>) -> Result<Self, NetworkError> {
        let counters = Socket::route().map_err(NetworkError::doing("open a socket"))?;
        let names = Arc::new(Names { reach: config.reach(), upstream: config.upstream() });
        let mut engine = Engine::open(place, config)?;
        let known: Vec<_> = alive.iter().map(|found| (Known::from(&found.wanted), found.index)).collect();
        engine.adopt(alive)?;
        let attached = known.into_iter().filter_map(|(known, index)| {
            let attachment = engine.attachment(index)?;
            Some((known.slot.clone(), Attached::new(attachment, known)))
        });
        let attached = attached.collect();
        let (orders, receive): (_, Receiver<Order>) = sync_channel(ORDERS_MAX);
        let serve = move || {
            while let Ok(order) = receive.recv() {
                order(&mut engine);
            }
        };
        let thread = std::thread::Builder::new().name("network".to_owned()).spawn(serve);
        thread.map_err(NetworkError::doing("start a thread"))?;
        let (attached, counters) = (Arc::new(Mutex::new(attached)), Arc::new(Mutex::new(counters)));
        Ok(Self { orders, attached, attaching: Arc::default(), counters, names })
    }

    /// Gives a sandbox its network; the one it has if it has one.
    pub async fn attach(&self, wanted: Wanted) -> Result<Attachment, NetworkError> {
        if let Some(attachment) = self.of(&wanted.slot) {
            return Ok(attachment);
        }
        let (attached, slot) = (Arc::clone(&self.attached), wanted.slot.clone());
        let attaching = Attaching::begin(&self.attaching, &slot);
        let act = move |engine: &mut Engine| {
            let _ends_here = attaching;
            let known = Known::from(&wanted);
            let attachment = engine.attach(wanted)?;
            lock(&attached).insert(known.slot.clone(), Attached::new(attachment.clone(), known));
            Ok(attachment)
        };
        let attachment = self.ask(act).await??;
        self.serve(&slot).await?;
        Ok(attachment)
    }

    /// Starts the name servers of sandboxes that have networks from before this process.
    pub async fn serve_all(&self) {
        let slots: Vec<_> = lock(&self.attached).keys().cloned().collect();
        for slot in slots {
            if let Err(error) = self.serve(&slot).await {
                tracing::error!(slot, %error, "a sandbox has no name server");
            }
        }
    }

    async fn serve(&self, slot: &str) -> Result<(), NetworkError> {
        let of = |attached: &Attached| (attached.attachment.clone(), attached.network.clone());
        let Some((attachment, network)) = lock(&self.attached).get(slot).map(of) else {
            return Err(NetworkError::Gone);
        };
        let rules = Rules { network, reach: self.names.reach.clone() };
        let served = dns::serve(attachment, rules, self.names.upstream.clone(), self.clone()).await;
        let served = served.map_err(NetworkError::doing("serve names at a sandbox's gateway, port 53"))?;
        if let Some(attached) = lock(&self.attached).get_mut(slot) {
            attached.served = Some(served);
        }
        Ok(())
    }

    /// Opens addresses of allowed names.
    pub(crate) async fn pin(&self, index: u32, pins: Vec<Pin>) -> Result<(), NetworkError> {
        self.ask(move |engine| engine.pin(index, &pins)).await?
    }

    async fn ask<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Engine) -> T + Send + 'static,
    ) -> Result<T, NetworkError> {
        let (send, answer) = oneshot::channel();
        // Whoever asked may be gone; the slot's end takes the network away.
        let order: Order = Box::new(move |engine| drop(send.send(act(engine))));
        self.orders.try_send(order).map_err(|_| NetworkError::Busy)?;
        answer.await.map_err(|_| NetworkError::Gone)
    }

    /// The network of the sandbox in this slot.
    pub fn of(&self, slot: &str) -> Option<Attachment> {
        lock(&self.attached).get(slot).map(|attached| attached.attachment.clone())
    }

    /// Where the sandbox is that this one's session calls so.
    pub(crate) fn peer(&self, of: &Attachment, name: &str) -> Option<Ipv4Addr> {
        let attached = lock(&self.attached);
        let session = &attached.values().find(|attached| attached.attachment.index == of.index)?.session;
        let named = |attached: &&Attached| attached.peer.as_deref() == Some(name) && attached.session == *session;
        Some(attached.values().find(named)?.attachment.address)
    }

    /// What has gone through its link; nothing of a slot without one.
    pub fn transferred(&self, slot: &str) -> Transferred {
        let Some(attachment) = self.of(slot) else { return Transferred::default() };
        let seen = link::find(&mut lock(&self.counters), &attachment.interface).ok().flatten();
        seen.map_or_else(Transferred::default, |link| Transferred {
            in_bytes: link.sent_bytes,
            out_bytes: link.received_bytes,
        })
    }

    /// Takes its network away once the sandbox is over; a slot without one is no matter. Blocking: for a thread of its own.
    pub fn detach(&self, slot: &str) -> Result<(), NetworkError> {
        if !lock(&self.attaching).contains(slot) && self.of(slot).is_none() {
            return Ok(());
        }
        let (attached, slot) = (Arc::clone(&self.attached), slot.to_owned());
        // On the thread: what was asked for before is there by then.
        self.wait(move |engine| {
            let index = lock(&attached).get(&slot).map(|attached| attached.attachment.index);
            let Some(index) = index else { return Ok(()) };
            engine.detach(index)?;
            lock(&attached).remove(&slot);
            Ok(())
        })
    }

    /// Gives back what was changed of this machine, unless sandboxes live on. Blocking, as [`Networks::detach`].
    pub fn close(&self) -> Result<(), NetworkError> {
        self.wait(Engine::close)
    }

    fn wait(
        &self,
        act: impl FnOnce(&mut Engine) -> Result<(), NetworkError> + Send + 'static,
    ) -> Result<(), NetworkError> {
        let (send, done) = sync_channel(1);
        let order: Order = Box::new(move |engine| drop(send.send(act(engine))));
        self.orders.send(order).map_err(|_| NetworkError::Gone)?;
        done.recv().map_err(|_| NetworkError::Gone)?
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
