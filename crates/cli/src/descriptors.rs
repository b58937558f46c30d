//! Descriptors of this process: as many as it may have, and never all of them for connections.
//!
//! Whoever reaches a port can open connections. Were there as many of them as descriptors, the database, the sandboxes and the other ports
//! could open nothing more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Of connections at one port, of all descriptors: three ports, of which that of apps takes two for each connection, leave half.
const PART: u64 = 8;

/// As many as the administrator lets this process have; what a shell gives is often a thousand.
pub fn raise() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(errno) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%errno, "no more files can be open at once");
    }
}

/// The connections that one port may have, of as many as it would take.
pub fn connections(most: usize) -> usize {
    part(getrlimit(Resource::Nofile).current, most)
}

fn part(descriptors: Option<u64>, most: usize) -> usize {
    let part = descriptors.map_or(most, |descriptors| usize::try_from(descriptors / PART).unwrap_or(usize::MAX));
    part.clamp(1, most)
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn few_descriptors_are_few_connections_and_many_are_no_more_than_asked_for() {
        assert_eq!(part(Some(1024), 16_384), 128);
        assert_eq!(part(Some(1 << 20), 16_384), 16_384);
        assert_eq!(part(None, 16_384), 16_384);
        assert_eq!(part(Some(3), 16_384), 1);
    }
}
