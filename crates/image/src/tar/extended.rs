//! The records of a PAX extended header. Pure.

use crate::error::Refusal;

/// What an extended header says about the next entry, as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extended {
    pub name: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub mtime: Option<i64>,
    pub sparse: bool,
}

impl Extended {
    /// Records are `LENGTH KEY=VALUE\n`, the length counting itself. Unknown keys, owners and extended attributes are dropped.
    pub fn parse(mut records: &[u8]) -> Result<Extended, Refusal> {
        let mut found = Extended::default();
        while !records.is_empty() && !records.iter().all(|byte| *byte == 0) {
            let (record, rest) = split_record(records).ok_or(Refusal::BadHeader("an extended record is malformed"))?;
            let equals = record.iter().position(|byte| *byte == b'=');
            let (key, value) = record.split_at(equals.ok_or(Refusal::BadHeader("an extended record has no value"))?);
            found.take(key, &value[1..])?;
            records = rest;
        }
        Ok(found)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), Refusal> {
        let bad = Refusal::BadHeader("an extended record holds no number");
        match key {
            b"path" => self.name = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(decimal(value).ok_or(bad)?),
            // Seconds and a fraction, possibly negative; only whole seconds are kept.
            b"mtime" => {
                let whole = value.split(|byte| *byte == b'.').next().unwrap_or_default();
                let text = std::str::from_utf8(whole).map_err(|_| bad.clone())?;
                self.mtime = Some(text.parse().map_err(|_| bad)?);
            }
            key if key.starts_with(b"GNU.sparse.") => self.sparse = true,
            _ => {}
        }
        Ok(())
    }

    /// Whether it says anything that would change what the next entry is.
    pub fn changes_entries(&self) -> bool {
        self.name.is_some() || self.link.is_some() || self.size.is_some() || self.sparse
    }
}

fn split_record(records: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = records.iter().take(12).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&records[..space])?).ok()?;
    if length <= space + 1 || length > records.len() || records[length - 1] != b'\n' {
        return None;
    }
    Some((&records[space + 1..length - 1], &records[length..]))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_and_lies_about_length_refused() {
        let read = Extended::parse(b"12 path=a=b\n11 size=10\n21 mtime=1700000.999\n").unwrap();
        assert_eq!(
            read,
            Extended { name: Some(b"a=b".to_vec()), size: Some(10), mtime: Some(1_700_000), ..Extended::default() }
        );
        for bad in
            [&b"99 path=a\n"[..], b"3 path=a\n", b"x path=a\n", b"11 path=a\n", b"7 path\n", b"11 size=-1\n", b" \n"]
        {
            assert!(Extended::parse(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
        assert!(Extended::parse(b"25 GNU.sparse.realsize=1\n").unwrap().sparse);
    }
}
