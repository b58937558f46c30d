//! Records of use as lines for spreadsheets and programs. Pure.

use std::sync::Arc;

use madang_public_api::{Timestamp, UsageEntry, UsageFormat};
use madang_store::UsageRecord;

use super::{Failure, people::Directory};

/// What a spreadsheet takes for the beginning of a formula. <https://owasp.org/www-community/attacks/CSV_Injection>
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Writes lines; the headings come with the first.
#[derive(Debug)]
pub(crate) struct EntryWriter {
    format: UsageFormat,
    people: Arc<Directory>,
    headings: bool,
}

impl EntryWriter {
    pub fn new(format: UsageFormat, people: Arc<Directory>) -> Self {
        Self { format, people, headings: true }
    }

    pub fn write(&mut self, records: &[UsageRecord]) -> Result<Vec<u8>, Failure> {
        let entries = records.iter().map(|record| entry(&self.people, record));
        match self.format {
            UsageFormat::Ndjson => {
                let mut bytes = Vec::new();
                for entry in entries {
                    serde_json::to_writer(&mut bytes, &entry).map_err(broken)?;
                    bytes.push(b'\n');
                }
                Ok(bytes)
            }
            UsageFormat::Csv => {
                let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
                if std::mem::take(&mut self.headings) {
                    writer.write_record(headings()?).map_err(broken)?;
                }
                for entry in entries {
                    writer.serialize(harmless(entry)).map_err(broken)?;
                }
                writer.into_inner().map_err(|error| broken(error.into_error()))
            }
        }
    }
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::internal("writing records of use", error)
}

/// The names of the fields, in their order.
fn headings() -> Result<Vec<String>, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.serialize(UsageEntry::default()).map_err(broken)?;
    let text = String::from_utf8(writer.into_inner().map_err(|error| broken(error.into_error()))?).map_err(broken)?;
    Ok(text.lines().next().unwrap_or_default().split(',').map(str::to_owned).collect())
}

fn entry(people: &Directory, record: &UsageRecord) -> UsageEntry {
    let owner = &record.owner;
    let name = |name: Option<&String>| name.cloned().unwrap_or_default();
    let usage = &record.usage;
    UsageEntry {
        subject: record.subject.clone(),
        sequence: record.sequence,
        at: Timestamp(record.at_ms),
        user: owner.user.to_string(),
        user_name: name(people.users.get(&owner.user).map(|user| &user.name)),
        project: owner.project.to_string(),
        project_name: name(people.projects.get(&owner.project).map(|project| &project.name)),
        organization: owner.organization.to_string(),
        organization_name: name(people.organizations.get(&owner.organization).map(|one| &one.name)),
        session: record.session.map(|id| id.to_string()).unwrap_or_default(),
        image: record.image.clone(),
        language: record.language.clone().unwrap_or_default(),
        node: record.node.map(|id| id.to_string()).unwrap_or_default(),
        wall_us: usage.wall_us,
        cpu_user_us: usage.cpu_user_us,
        cpu_system_us: usage.cpu_system_us,
        memory_peak_bytes: usage.memory_peak_bytes,
        memory_kib_ms: usage.memory_kib_ms,
        read_bytes: usage.read_bytes,
        written_bytes: usage.written_bytes,
        received_bytes: usage.received_bytes,
        sent_bytes: usage.sent_bytes,
        accelerator_us: usage.accelerator_us,
        cost_nano: record.cost_nano,
    }
}

/// With an apostrophe before whatever a spreadsheet would calculate.
fn harmless(mut entry: UsageEntry) -> UsageEntry {
    let texts = [
        &mut entry.user_name,
        &mut entry.project_name,
        &mut entry.organization_name,
        &mut entry.image,
        &mut entry.language,
    ];
    for text in texts {
        if text.starts_with(FORMULA) {
            text.insert(0, '\'');
        }
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_formula() {
        for begin in FORMULA {
            let image = format!("{begin}cmd|' /C calc'!A0");
            let entry = harmless(UsageEntry { image: image.clone(), ..UsageEntry::default() });
            assert_eq!(entry.image, format!("'{image}"));
        }
        let plain = UsageEntry { image: "host".into(), language: "c++".into(), ..UsageEntry::default() };
        assert_eq!(harmless(plain.clone()), plain);
    }

    #[test]
    fn headings_are_the_fields() {
        let headings = headings().unwrap();
        assert_eq!((headings.len(), headings[0].as_str(), headings[23].as_str()), (24, "subject", "cost_nano"));
    }
}
