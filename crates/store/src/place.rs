//! Where the database is.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use sea_orm::sqlx::postgres::PgConnectOptions;

/// The database of a server: a file of SQLite, or a PostgreSQL that several servers share.
///
/// As text: `postgres://user:password@host/database`, `postgres:///database?host=/run/postgresql`, `sqlite:/var/lib/madang.db`, or
/// just the path of a file. Neither `Debug` nor `Display` shows a password.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreConfig {
    pub(crate) place: Place,
    /// How long an operation waits for a connection or a lock.
    pub(crate) busy: Duration,
}

/// Where nobody says how long.
const BUSY: Duration = Duration::from_secs(5);

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The file; its directory must exist.
    Sqlite(PathBuf),
    Postgres {
        url: String,
    },
}

/// The text names no database.
#[derive(Debug, thiserror::Error)]
#[error("a database is `postgres://user@host/name` or the path of a file: {why}")]
pub struct StoreConfigError {
    why: String,
}

impl StoreConfig {
    /// A SQLite file; its directory must exist.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::at(Place::Sqlite(path.into()))
    }

    /// The file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Sqlite(path) => Some(path),
            Place::Postgres { .. } => None,
        }
    }

    /// Whether several servers may share it.
    pub fn is_shared(&self) -> bool {
        matches!(self.place, Place::Postgres { .. })
    }

    /// With operations that wait for so long for a connection or a lock; five seconds else.
    #[must_use]
    pub fn waiting(self, busy: Duration) -> Self {
        Self { busy, ..self }
    }

    fn at(place: Place) -> Self {
        Self { place, busy: BUSY }
    }
}

impl FromStr for StoreConfig {
    type Err = StoreConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |why: &str| StoreConfigError { why: why.to_owned() };
        if let Some(("postgres" | "postgresql", _)) = text.split_once("://") {
            let known = PgConnectOptions::from_str(text).map_err(|source| error(&source.to_string()))?;
            // Without a name PostgreSQL would take the user's, which nobody means.
            known.get_database().ok_or_else(|| error("the name of the database is missing"))?;
            return Ok(Self::at(Place::Postgres { url: text.to_owned() }));
        }
        let path = text.strip_prefix("sqlite:").unwrap_or(text);
        let path = path.strip_prefix("//").unwrap_or(path);
        if let Some((scheme, _)) = path.split_once("://") {
            return Err(error(&format!("`{scheme}` is neither")));
        }
        if path.is_empty() {
            return Err(error("it is empty"));
        }
        Ok(Self::sqlite(path))
    }
}

impl fmt::Display for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Sqlite(path) => write!(f, "{}", path.display()),
            Place::Postgres { url } => {
                // Parsed before, so this is there; a password may stand anywhere in the text.
                let options = PgConnectOptions::from_str(url).unwrap_or_default();
                let host =
                    options.get_socket().map_or(options.get_host().to_owned(), |path| path.display().to_string());
                let name = options.get_database().unwrap_or_default();
                write!(f, "PostgreSQL database {name} at {host}")
            }
        }
    }
}

impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreConfig({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_name_a_database() {
        for path in ["/a/b.db", "sqlite:/a/b.db", "sqlite:///a/b.db"] {
            assert_eq!(path.parse::<StoreConfig>().unwrap(), StoreConfig::sqlite("/a/b.db"), "{path}");
        }
        for url in ["postgres://u:secret@h:5/n", "postgresql:///n?host=/run/postgresql&password=secret"] {
            let config: StoreConfig = url.parse().unwrap();
            assert!(config.is_shared());
            assert!(!format!("{config:?} {config}").contains("secret"), "{config:?}");
        }
    }

    #[test]
    fn texts_that_do_not() {
        for bad in ["", "sqlite:", "mysql://h/n", "postgres://h", "postgres://h:port/n"] {
            assert!(bad.parse::<StoreConfig>().is_err(), "{bad}");
        }
    }
}
