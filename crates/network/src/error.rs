use std::io;

/// Why a sandbox has no network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// This machine cannot, whatever is asked.
    #[error("this node can give sandboxes no network: {0}")]
    Unavailable(String),
    #[error("every address of the pool is in use")]
    Full,
    #[error("cannot {action}: {source}")]
    Kernel { action: String, source: io::Error },
    /// The sandbox ended meanwhile.
    #[error("the sandbox is gone")]
    Gone,
    /// It has asked for more names than may be open at once.
    #[error("more than {0} addresses would be open at once (PINS_MAX)")]
    Pins(usize),
    #[error("too much waits to be done to the network")]
    Busy,
}

impl NetworkError {
    pub(crate) fn doing(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Kernel { action, source }
    }
}
