//! Threads that serve clients, one for each processor.
//!
//! A client stays with the thread that was given it, and so do the connections to apps that its requests go over: no bytes wake another
//! thread than the one that passes them on.

use std::{
    io,
    net::{SocketAddr, TcpStream as StdStream},
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    task::JoinSet,
};

use crate::{
    Proxy,
    limits::{STOP_WAIT, THREADS_MAX},
    pool::Pool,
};

/// Between two looks at connections to apps that wait.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// Everybody who serves.
pub(crate) struct Crew(Vec<Desk>);

/// Where one thread is given its clients.
struct Desk {
    // As many as may be connected at once.
    clients: mpsc::UnboundedSender<Client>,
    load: Arc<AtomicUsize>,
    ended: oneshot::Receiver<()>,
}

struct Client {
    stream: StdStream,
    address: SocketAddr,
    turn: OwnedSemaphorePermit,
}

/// One who serves.
pub(crate) struct Worker {
    pub proxy: Arc<Proxy>,
    pub pool: Arc<Pool>,
}

impl Crew {
    /// As many as there are processors, or as there can be; one at least.
    pub fn start(proxy: &Arc<Proxy>) -> io::Result<Self> {
        let count = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
        let mut desks = Vec::new();
        for _ in 0..count {
            match Desk::open(proxy) {
                Ok(desk) => desks.push(desk),
                Err(error) if desks.is_empty() => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, threads = desks.len(), "apps are served by fewer threads than there are processors");
                    break;
                }
            }
        }
        Ok(Self(desks))
    }

    /// Gives a client to whoever has the fewest.
    pub fn give(&self, stream: TcpStream, address: SocketAddr, turn: OwnedSemaphorePermit) {
        let least = self.0.iter().min_by_key(|desk| desk.load.load(Ordering::Relaxed));
        let (Some(desk), Ok(stream)) = (least, stream.into_std()) else { return };
        desk.load.fetch_add(1, Ordering::Relaxed);
        // A thread that is gone has panicked; the client sees its connection closed.
        let _ = desk.clients.send(Client { stream, address, turn });
    }

    /// Waits for everybody to end, which they do within [`STOP_WAIT`].
    pub async fn end(self) {
        for Desk { clients, ended, .. } in self.0 {
            drop(clients);
            // An error says that it has ended, too.
            let _ = ended.await;
        }
    }
}

impl Desk {
    fn open(proxy: &Arc<Proxy>) -> io::Result<Self> {
        let (clients, come) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        let load = Arc::new(AtomicUsize::new(0));
        let worker = Arc::new(Worker { proxy: Arc::clone(proxy), pool: Pool::new(Arc::clone(&proxy.connections)) });
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let counted = Arc::clone(&load);
        thread::Builder::new().name("madang-proxy".to_owned()).spawn(move || {
            work(&runtime, &worker, come, &counted);
            // What is left is cut: tunnels have heard that it is over.
            drop(runtime);
            drop(end);
        })?;
        Ok(Self { clients, load, ended })
    }
}

/// Serves until nobody can come any more, and then lets answers in progress end for a moment.
fn work(runtime: &Runtime, worker: &Arc<Worker>, mut come: mpsc::UnboundedReceiver<Client>, load: &AtomicUsize) {
    runtime.block_on(async {
        let mut serving = JoinSet::new();
        let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
        loop {
            tokio::select! {
                client = come.recv() => match client {
                    Some(client) => drop(serving.spawn(Arc::clone(worker).serve(client))),
                    None => break,
                },
                Some(_) = serving.join_next() => drop(load.fetch_sub(1, Ordering::Relaxed)),
                _ = sweep.tick() => worker.pool.sweep(),
            }
        }
        let ended = async { while serving.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(STOP_WAIT, ended).await;
    });
}

impl Worker {
    async fn serve(self: Arc<Self>, client: Client) {
        let Client { stream, address, turn } = client;
        // One that cannot be taken over is closed.
        if let Ok(stream) = TcpStream::from_std(stream) {
            self.converse(stream, address, turn).await;
        }
    }
}
