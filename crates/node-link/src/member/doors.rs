//! Where to dial: a control plane may be several processes, of which one leads.

use super::{MemberConfig, MemberError};

/// Where to dial next.
#[derive(Debug, Default)]
pub(super) struct Doors {
    tried: usize,
    /// Where the last one has sent us.
    told: Option<String>,
}

impl Doors {
    /// The one that we were sent to, once; else the next of those that are known.
    pub fn next(&mut self, config: &MemberConfig) -> Result<String, MemberError> {
        if let Some(told) = self.told.take() {
            return Ok(told);
        }
        let nowhere = || MemberError::Refused("no address of a control plane is known".to_owned());
        let at = self.tried % config.controls.len().max(1);
        let door = config.controls.get(at).cloned().ok_or_else(nowhere)?;
        self.tried = at + 1;
        Ok(door)
    }

    /// What the last one led to.
    pub fn learn(&mut self, ended: &MemberError) {
        if let MemberError::Elsewhere(told) = ended {
            self.told = told.clone();
        }
    }

    /// The last one was right: it is asked again first.
    pub fn right(&mut self, config: &MemberConfig) {
        let count = config.controls.len().max(1);
        self.tried = (self.tried + count - 1) % count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_asked_in_turn_and_where_one_sends_us_comes_first() {
        let config = MemberConfig::new("/nowhere".into(), "a:1, b:2,,c:3".into(), "n".into());
        let mut doors = Doors::default();
        let next = |doors: &mut Doors| doors.next(&config).unwrap();
        assert_eq!([next(&mut doors), next(&mut doors)], ["a:1", "b:2"]);
        doors.learn(&MemberError::Elsewhere(Some("d:4".into())));
        assert_eq!(next(&mut doors), "d:4");
        doors.learn(&MemberError::Elsewhere(None));
        assert_eq!(next(&mut doors), "c:3");
        doors.right(&config);
        assert_eq!([next(&mut doors), next(&mut doors)], ["c:3", "a:1"]);
        doors.right(&config);
        assert_eq!(next(&mut doors), "a:1");
    }

    #[test]
    fn without_an_address_there_is_nothing_to_do() {
        let config = MemberConfig::new("/nowhere".into(), " ,".into(), "n".into());
        assert!(!Doors::default().next(&config).unwrap_err().may_pass());
    }
}
