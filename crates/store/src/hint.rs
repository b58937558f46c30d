//! Hints: what other tasks, in this process and in those that share the database, may want to look at before their time.
//!
//! A hint says where to look and never what is there. One that is lost costs whoever waits for it one period, so sending one waits for
//! nothing and cannot fail. On PostgreSQL they travel by `NOTIFY`, on SQLite they stay in the process.

use std::{
    collections::BTreeSet,
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use madang_ids::{NodeId, SessionId};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement, sqlx,
    sqlx::postgres::{PgListener, PgNotification},
};
use tokio::sync::{broadcast, mpsc};

use crate::{Store, StoreConfig, place::Place};

/// Hints a receiver may be behind; then it gets [`Hint::Lost`].
const BEHIND_MAX: usize = 1_024;
/// Hints that may wait for the database; more are dropped, and the others are told that some were lost.
const UNSENT_MAX: usize = 1_024;
/// Hints in one notification, which may have 8,000 bytes.
const BATCH_MAX: usize = 48;
/// A longer name of a group, or one with a space, is told as [`Hint::Lost`].
const NAME_BYTES_MAX: usize = 128;
/// Time between two tries to listen again.
const LISTEN_AGAIN: Duration = Duration::from_millis(500);
/// Every installation in one database has a channel of its own.
const CHANNEL: &str = "SELECT 'madang_' || md5(current_schema())";

/// Where something has changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hint {
    /// Users, roles, memberships, tokens, keys: whoever caches who may do what reads it again.
    Access,
    /// Policies.
    Policy,
    /// Prices and budgets.
    Price,
    /// What the service as a whole shall do: frozen, draining; announcements.
    State,
    Session(SessionId),
    Node(NodeId),
    /// A resource group: its queue, its leader, its nodes.
    Group(String),
    /// Hints were lost: anything may have changed.
    Lost,
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access => f.write_str("access"),
            Self::Policy => f.write_str("policy"),
            Self::Price => f.write_str("price"),
            Self::State => f.write_str("state"),
            Self::Session(id) => write!(f, "session:{id}"),
            Self::Node(id) => write!(f, "node:{id}"),
            Self::Group(name) if is_word(name) => write!(f, "group:{name}"),
            Self::Group(_) | Self::Lost => f.write_str("lost"),
        }
    }
}

fn is_word(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX && !name.contains(' ')
}

impl FromStr for Hint {
    type Err = std::convert::Infallible;

    /// What a newer process says and we do not know may be about anything.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.split_once(':') {
            None => match text {
                "access" => Self::Access,
                "policy" => Self::Policy,
                "price" => Self::Price,
                "state" => Self::State,
                _ => Self::Lost,
            },
            Some(("session", id)) => id.parse().map_or(Self::Lost, Self::Session),
            Some(("node", id)) => id.parse().map_or(Self::Lost, Self::Node),
            Some(("group", name)) => Self::Group(name.to_owned()),
            Some(_) => Self::Lost,
        })
    }
}

/// The hints from now on.
#[derive(Debug)]
pub struct Hints(broadcast::Receiver<Hint>);

impl Hints {
    /// The next one; None once the store is closed. May be cancelled.
    pub async fn next(&mut self) -> Option<Hint> {
        match self.0.recv().await {
            Ok(hint) => Some(hint),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Hint::Lost),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl Store {
    /// Tells everybody where to look, in this process at once and in the others soon. Call it after the commit.
    pub fn hint(&self, hint: Hint) {
        self.hints.tell(hint);
    }

    pub fn hints(&self) -> Hints {
        Hints(self.hints.here.subscribe())
    }
}

/// Both ends of the hints.
#[derive(Debug, Clone)]
pub(crate) struct HintBoard {
    here: broadcast::Sender<Hint>,
    /// To the other processes; None where there are none.
    elsewhere: Option<mpsc::Sender<Hint>>,
    /// The other processes have missed some, and are told so with the next.
    owed: Arc<AtomicBool>,
}

impl HintBoard {
    pub async fn open(config: &StoreConfig, writer: &DatabaseConnection) -> Result<Self, DbErr> {
        let here = broadcast::Sender::new(BEHIND_MAX);
        let owed = Arc::new(AtomicBool::new(false));
        let Place::Postgres { url } = &config.place else { return Ok(Self { here, elsewhere: None, owed }) };
        let ear = Ear { url: url.clone(), channel: channel(writer).await?, us: name(), here: here.downgrade() };
        // Listens before anybody may rely on it.
        let listener = ear.listen().await.map_err(|error| DbErr::Custom(error.to_string()))?;
        let (elsewhere, queue) = mpsc::channel(UNSENT_MAX);
        let (writer, channel, us) = (writer.clone(), ear.channel.clone(), ear.us.clone());
        let mouth = Mouth { writer, channel, us, owed: Arc::clone(&owed) };
        tokio::spawn(async move {
            let hearing = tokio::spawn(ear.hear_all(listener));
            mouth.say_all(queue).await;
            hearing.abort();
        });
        Ok(Self { here, elsewhere: Some(elsewhere), owed })
    }

    fn tell(&self, hint: Hint) {
        // Nobody may be listening.
        let _ = self.here.send(hint.clone());
        if let Some(elsewhere) = &self.elsewhere
            && elsewhere.try_send(hint).is_err()
        {
            self.owed.store(true, Ordering::Relaxed);
        }
    }
}

/// Tells two stores on one database apart, also in one process.
fn name() -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    format!("{}.{now}.{:p}", std::process::id(), &raw const now)
}

async fn channel(writer: &DatabaseConnection) -> Result<String, DbErr> {
    let asked = writer.query_one_raw(Statement::from_string(DbBackend::Postgres, CHANNEL)).await?;
    asked.ok_or_else(|| DbErr::RecordNotFound("the name of the schema".into()))?.try_get_by_index(0)
}

struct Mouth {
    writer: DatabaseConnection,
    channel: String,
    us: String,
    owed: Arc<AtomicBool>,
}

impl Mouth {
    /// Ends with the last [`Store`].
    async fn say_all(self, mut queue: mpsc::Receiver<Hint>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let mut said: BTreeSet<Hint> = batch.drain(..).collect();
            if self.owed.swap(false, Ordering::Relaxed) {
                said.insert(Hint::Lost);
            }
            if let Err(error) = self.say(&said).await {
                self.owed.store(true, Ordering::Relaxed);
                tracing::warn!(%error, "the other processes could not be told to look");
            }
        }
    }

    async fn say(&self, hints: &BTreeSet<Hint>) -> Result<(), DbErr> {
        let said: Vec<_> = std::iter::once(self.us.clone()).chain(hints.iter().map(Hint::to_string)).collect();
        let values = [self.channel.clone().into(), said.join(" ").into()];
        let notify = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT pg_notify($1, $2)", values);
        self.writer.execute_raw(notify).await.map(drop)
    }
}

struct Ear {
    url: String,
    channel: String,
    us: String,
    here: broadcast::WeakSender<Hint>,
}

impl Ear {
    async fn listen(&self) -> Result<PgListener, sqlx::Error> {
        let mut listener = PgListener::connect(&self.url).await?;
        listener.listen(&self.channel).await?;
        Ok(listener)
    }

    /// Until it is aborted, or nobody can hear it.
    async fn hear_all(self, mut listener: PgListener) {
        loop {
            let heard = listener.try_recv().await;
            let Some(here) = self.here.upgrade() else { return };
            match heard {
                Ok(Some(notification)) => self.hear(&notification, &here),
                // The connection was lost and is there again; what was said meanwhile is not.
                Ok(None) => drop(here.send(Hint::Lost)),
                Err(error) => {
                    tracing::warn!(%error, "hints of the other processes cannot be heard");
                    drop(here);
                    listener = self.listen_again().await;
                    let Some(here) = self.here.upgrade() else { return };
                    let _ = here.send(Hint::Lost);
                }
            }
        }
    }

    async fn listen_again(&self) -> PgListener {
        loop {
            tokio::time::sleep(LISTEN_AGAIN).await;
            if let Ok(listener) = self.listen().await {
                return listener;
            }
        }
    }

    fn hear(&self, notification: &PgNotification, here: &broadcast::Sender<Hint>) {
        let mut words = notification.payload().split(' ');
        if words.next() == Some(self.us.as_str()) {
            return;
        }
        for hint in words.filter_map(|word| word.parse().ok()) {
            let _ = here.send(hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_words_and_read_back() {
        let all = [
            Hint::Access,
            Hint::Policy,
            Hint::Price,
            Hint::State,
            Hint::Session(SessionId::new()),
            Hint::Node(NodeId::new()),
            Hint::Group("default".into()),
            Hint::Lost,
        ];
        for hint in all {
            let word = hint.to_string();
            assert!(!word.contains(' '), "{word}");
            assert_eq!(word.parse(), Ok(hint));
        }
        assert_eq!("weather:fine".parse(), Ok(Hint::Lost));
        assert_eq!(Hint::Group("x".repeat(NAME_BYTES_MAX + 1)).to_string(), "lost");
    }

    #[test]
    fn the_largest_batch_fits_into_a_notification() {
        let largest = "group:".len() + NAME_BYTES_MAX + 1;
        assert!(name().len() + 1 + "lost ".len() + BATCH_MAX * largest < 8_000);
    }
}
