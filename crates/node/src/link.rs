//! The connection to one slot's init: who waits for which message.

use std::{
    cell::RefCell,
    collections::HashMap,
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use madang_slot_api::{
    AppAnswer, AppAsk, AppFault, DriverSeen, FRAME_BYTES_MAX, FileAnswer, FileAsk, FileFault, FromSlot, RunKept,
    RunNumber, ToSlot, decode, encode,
};
use tokio::{
    io::unix::AsyncFd,
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

/// Messages of one run that wait to be read; past it the slot waits.
const RUN_MESSAGES_MAX: usize = 256;
const NOTICES_MAX: usize = 16;
/// Init answers about a file or an app long before, on a loaded machine too.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

thread_local! {
    /// One receive buffer a thread instead of one a slot: thousands of slots are idle.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; FRAME_BYTES_MAX]);
}

/// What became of work on a file.
pub type FileReply = (Result<FileAnswer, FileFault>, Option<OwnedFd>);
/// What became of a question about apps.
pub type AppReply = (Result<AppAnswer, AppFault>, Option<OwnedFd>);

/// Whoever waits for an answer.
#[derive(Debug)]
enum Asker {
    File(oneshot::Sender<FileReply>),
    App(oneshot::Sender<AppReply>),
}

/// The slot is gone, or speaks nonsense.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("the sandbox is gone")]
    Gone,
    #[error("cannot speak to the sandbox: {0}")]
    Io(#[from] io::Error),
    #[error("cannot say that to the sandbox: {0}")]
    Frame(#[from] madang_slot_api::FrameError),
    #[error("the sandbox failed: {0}")]
    Fault(String),
    #[error("the sandbox does not answer")]
    Silent,
}

#[derive(Debug, Default)]
struct Routes {
    runs: HashMap<RunNumber, mpsc::Sender<FromSlot>>,
    asks: HashMap<u32, Asker>,
    closed: bool,
}

/// A live connection. Dropping it stops the reader; the slot lives on.
#[derive(Debug)]
pub struct Link {
    socket: Arc<AsyncFd<OwnedFd>>,
    routes: Arc<Mutex<Routes>>,
    notices: tokio::sync::Mutex<mpsc::Receiver<FromSlot>>,
    reader: JoinHandle<()>,
    open: watch::Receiver<bool>,
    next: AtomicU32,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Link {
    pub fn new(socket: OwnedFd) -> io::Result<Self> {
        #[allow(
            deprecated,
            reason = "an OwnedFd is closed only together with its AsyncFd; `register` asks for unsafe to say so"
        )]
        let socket = Arc::new(AsyncFd::new(socket)?);
        let routes = Arc::new(Mutex::new(Routes::default()));
        let (send, notices) = mpsc::channel(NOTICES_MAX);
        let (shut, open) = watch::channel(true);
        let reader = tokio::spawn(read_all(Arc::clone(&socket), Arc::clone(&routes), send, shut));
        Ok(Self {
            socket,
            routes,
            notices: tokio::sync::Mutex::new(notices),
            reader,
            open,
            next: first_number().into(),
        })
    }

    /// Says something.
    pub async fn send(&self, message: &ToSlot) -> Result<(), LinkError> {
        self.send_with(message, None).await
    }

    /// Says something and passes a descriptor along.
    pub async fn send_with(&self, message: &ToSlot, descriptor: Option<&OwnedFd>) -> Result<(), LinkError> {
        let bytes = encode(message)?;
        loop {
            let descriptor = descriptor.map(AsFd::as_fd);
            match madang_sandbox::link::send(self.socket.get_ref().as_fd(), &bytes, descriptor) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.socket.writable().await?.clear_ready(),
                Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
                    return Err(LinkError::Gone);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A number for a run, and what will be said about it.
    pub fn open_run(&self) -> Result<(RunNumber, mpsc::Receiver<FromSlot>), LinkError> {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            // One of an agent before us may have it still.
            if !self.routes.lock().unwrap_or_else(PoisonError::into_inner).runs.contains_key(&number) {
                return Ok((number, self.follow_run(number)?));
            }
        }
    }

    /// What will be said about a run whose number is known.
    pub fn follow_run(&self, number: RunNumber) -> Result<mpsc::Receiver<FromSlot>, LinkError> {
        let (send, receive) = mpsc::channel(RUN_MESSAGES_MAX);
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if routes.closed {
            return Err(LinkError::Gone);
        }
        routes.runs.insert(number, send);
        Ok(receive)
    }

    /// What init keeps of runs that an agent before this one began.
    pub async fn ask_runs(&self) -> Result<(DriverSeen, Vec<RunKept>), LinkError> {
        self.send(&ToSlot::Runs).await?;
        let mut notices = self.notices.lock().await;
        loop {
            match notices.recv().await {
                None => return Err(LinkError::Gone),
                Some(FromSlot::Runs { driver, runs }) => return Ok((driver, runs)),
                Some(_) => {}
            }
        }
    }

    /// Nobody listens to this run any more.
    pub fn close_run(&self, number: RunNumber) {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).runs.remove(&number);
    }

    /// Work on a file; one answer.
    pub async fn file(&self, what: FileAsk) -> Result<FileReply, LinkError> {
        let ask = self.number();
        self.ask(ask, ToSlot::File { ask, what }, Asker::File).await
    }

    /// A question about apps; one answer.
    pub async fn app(&self, what: AppAsk) -> Result<AppReply, LinkError> {
        let ask = self.number();
        self.ask(ask, ToSlot::App { ask, what }, Asker::App).await
    }

    /// One that nothing else of this slot has.
    pub fn number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    async fn ask<T>(&self, ask: u32, message: ToSlot, asker: fn(oneshot::Sender<T>) -> Asker) -> Result<T, LinkError> {
        let (send, receive) = oneshot::channel();
        {
            let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
            if routes.closed {
                return Err(LinkError::Gone);
            }
            routes.asks.insert(ask, asker(send));
        }
        self.send(&message).await?;
        match tokio::time::timeout(ANSWER_WAIT, receive).await {
            Ok(answer) => answer.map_err(|_| LinkError::Gone),
            Err(_) => {
                self.routes.lock().unwrap_or_else(PoisonError::into_inner).asks.remove(&ask);
                Err(LinkError::Silent)
            }
        }
    }

    /// As [`Link::notice`], for so long.
    pub async fn notice_within(&self, wait: Duration, wanted: impl Fn(&FromSlot) -> bool) -> Result<(), LinkError> {
        tokio::time::timeout(wait, self.notice(wanted)).await.unwrap_or(Err(LinkError::Silent))
    }

    /// Returns when the slot has hung up.
    pub async fn closed(&self) {
        let mut open = self.open.clone();
        // An error means that the reader is gone, which is the same.
        let _ = open.wait_for(|open| !open).await;
    }

    /// Drops what was noticed and not waited for.
    pub async fn forget_notices(&self) {
        let mut notices = self.notices.lock().await;
        while notices.try_recv().is_ok() {}
    }

    /// Waits for a notice that `wanted` accepts; others before it are dropped, a fault ends the wait.
    pub async fn notice(&self, wanted: impl Fn(&FromSlot) -> bool) -> Result<(), LinkError> {
        let mut notices = self.notices.lock().await;
        loop {
            match notices.recv().await {
                None => return Err(LinkError::Gone),
                Some(FromSlot::Fault { text, .. }) => return Err(LinkError::Fault(text)),
                Some(notice) if wanted(&notice) => return Ok(()),
                Some(_) => {}
            }
        }
    }
}

/// Where numbers start: a slot may still speak of runs of the server before us, and theirs were drawn earlier.
fn first_number() -> u32 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // One a millisecond for 49 days; only that it differs matters.
    now.as_millis() as u32
}

async fn read_all(
    socket: Arc<AsyncFd<OwnedFd>>,
    routes: Arc<Mutex<Routes>>,
    notices: mpsc::Sender<FromSlot>,
    shut: watch::Sender<bool>,
) {
    while let Ok((message, descriptor)) = receive(&socket).await {
        deliver(&routes, &notices, message, descriptor).await;
        // A slot that talks without end must not keep a worker from everybody else.
        tokio::task::coop::consume_budget().await;
    }
    // Whoever waits learns that nothing more comes.
    let mut routes = routes.lock().unwrap_or_else(PoisonError::into_inner);
    routes.closed = true;
    routes.runs.clear();
    routes.asks.clear();
    let _ = shut.send(false);
}

async fn receive(socket: &AsyncFd<OwnedFd>) -> Result<(FromSlot, Option<OwnedFd>), LinkError> {
    loop {
        let received = BUFFER.with_borrow_mut(|buffer| {
            let (count, descriptor) = madang_sandbox::link::receive(socket.get_ref().as_fd(), buffer)?;
            match count {
                0 => Err(LinkError::Gone),
                count => Ok((decode(&buffer[..count])?, descriptor)),
            }
        });
        match received {
            Err(LinkError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                socket.readable().await?.clear_ready()
            }
            received => return received,
        }
    }
}

async fn deliver(
    routes: &Mutex<Routes>,
    notices: &mpsc::Sender<FromSlot>,
    message: FromSlot,
    descriptor: Option<OwnedFd>,
) {
    let asker = |ask| routes.lock().unwrap_or_else(PoisonError::into_inner).asks.remove(&ask);
    // Whoever asked may have given up; who asked something else gets no answer.
    let message = match message {
        FromSlot::File { ask, answer } => {
            if let Some(Asker::File(waiting)) = asker(ask) {
                let _ = waiting.send((answer, descriptor));
            }
            return;
        }
        FromSlot::App { ask, answer } => {
            if let Some(Asker::App(waiting)) = asker(ask) {
                let _ = waiting.send((answer, descriptor));
            }
            return;
        }
        message => message,
    };
    match run_of(&message) {
        Some(run) => {
            let to = routes.lock().unwrap_or_else(PoisonError::into_inner).runs.get(&run).cloned();
            if let Some(to) = to {
                let _ = to.send(message).await;
            }
        }
        // Notices that nobody reads are only repeated states.
        None => drop(notices.try_send(message)),
    }
}

fn run_of(message: &FromSlot) -> Option<RunNumber> {
    match message {
        FromSlot::Started { run }
        | FromSlot::Output { run, .. }
        | FromSlot::Media { run, .. }
        | FromSlot::Log { run, .. }
        | FromSlot::Input { run, .. }
        | FromSlot::Completions { run, .. }
        | FromSlot::Done { run, .. }
        | FromSlot::StdinTaken { run, .. }
        | FromSlot::Exited { run, .. } => Some(*run),
        FromSlot::Fault { run, .. } => *run,
        FromSlot::Hello { .. }
        | FromSlot::Prepared
        | FromSlot::DriverReady
        | FromSlot::Bound
        | FromSlot::File { .. }
        | FromSlot::App { .. }
        | FromSlot::Runs { .. }
        | FromSlot::Pong => None,
    }
}
