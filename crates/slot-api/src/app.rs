//! Apps: programs of a slot that go on until they are stopped, and connections to what listens in it.

use serde::{Deserialize, Serialize};

/// An app, numbered by the node within one slot.
pub type AppNumber = u32;

/// What a node may give init to keep beside an app.
pub const APP_LABEL_BYTES_MAX: usize = 8 << 10;

/// What a node asks of init about apps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppAsk {
    /// Answered by `Done` when it was begun, which says nothing about whether it answers anybody.
    Start(AppStart),
    /// End the app and all it started, and forget it.
    Stop {
        app: AppNumber,
    },
    List,
    /// The end of what it wrote to stdout and stderr. Answered by `Said`.
    LastWords {
        app: AppNumber,
    },
    /// Connect to what listens in the slot. Answered by `Connected`, when it stands or can be had no more.
    Connect {
        to: ConnectTo,
    },
}

/// An app to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppStart {
    pub app: AppNumber,
    /// Its program; empty where somebody else's program is meant, of which only the label is kept.
    pub argv: Vec<String>,
    /// `KEY=VALUE`, on top of those of `Prepare` and `Bind`.
    pub env: Vec<String>,
    /// Comes back in `Listed`, for a node that comes after this one. At most [`APP_LABEL_BYTES_MAX`].
    #[serde(with = "serde_bytes")]
    pub label: Vec<u8>,
}

/// Where in the slot to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConnectTo {
    /// TCP at 127.0.0.1, else at ::1.
    Port(u16),
    /// A stream socket at an absolute path beneath `/home/work` or `/tmp`.
    Socket(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppAnswer {
    Done,
    Listed {
        apps: Vec<AppKept>,
    },
    Said {
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// With the socket.
    Connected,
}

/// An app as init has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppKept {
    pub app: AppNumber,
    #[serde(with = "serde_bytes")]
    pub label: Vec<u8>,
    /// Once its program has ended: the exit code, or the negated number of the signal.
    pub ended: Option<i32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum AppFault {
    #[error("there is no such app")]
    NotFound,
    #[error("nothing listens there")]
    Refused,
    #[error("it does not take the connection")]
    Late,
    #[error("there are too many of them")]
    TooMany,
    #[error("others hold all the processes that there may be")]
    Crowded,
    #[error("{0}")]
    Other(String),
}
