//! Accelerators of sessions: from what is asked for to what the scheduler gives, and back to what people read.

use std::collections::BTreeMap;

use madang_model::{DeviceGrant, DevicesHeld, accelerator};
use madang_public_api::{DeviceHeldView, Resources, bounds};
use madang_schedule::{DeviceWant, Grant, Placement};
use madang_store::SessionRecord;

use super::{Failure, live_session::resources_view, validate};

/// Thousandths by kind.
pub(super) fn asked(asked: &BTreeMap<String, f64>) -> Result<BTreeMap<String, u64>, Failure> {
    let field = "resources.accelerators";
    validate::at_most(field, asked.len(), bounds::ACCELERATOR_KINDS_MAX, "ACCELERATOR_KINDS_MAX")?;
    let mut all = BTreeMap::new();
    for (kind, amount) in asked {
        let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if kind.is_empty() || kind.len() > bounds::NAME_CHARS_MAX || !kind.chars().all(letters) {
            return Err(Failure::invalid(field, "a kind of accelerator is a short word, as in `cuda`"));
        }
        let field = format!("{field}.{kind}");
        let millis = accelerator::millis(*amount).map_err(|error| Failure::invalid(field, error.to_string()))?;
        all.insert(kind.clone(), millis);
    }
    Ok(all)
}

/// Labels that a node must have.
pub(super) fn labels(labels: &BTreeMap<String, String>) -> Result<(), Failure> {
    validate::at_most("labels", labels.len(), bounds::TAGS_MAX, "TAGS_MAX")?;
    for (key, value) in labels {
        validate::at_most("labels", key.chars().count(), bounds::TAG_CHARS_MAX, "TAG_CHARS_MAX")?;
        validate::at_most("labels", value.chars().count(), bounds::TAG_CHARS_MAX, "TAG_CHARS_MAX")?;
    }
    Ok(())
}

/// In the scheduler's words.
pub(super) fn wanted(accelerators: &BTreeMap<String, u64>) -> Vec<DeviceWant> {
    accelerators.iter().map(|(kind, millis)| DeviceWant { kind: kind.clone(), millis: *millis }).collect()
}

/// What a decision gives to the first sandbox of a session; none where it gives no devices.
pub(super) fn given(placements: &[Placement]) -> Option<DevicesHeld> {
    places(placements).into_iter().next().filter(|place| !place.grants.is_empty())
}

/// Where the sandboxes of a session go, and what each is given there.
pub(super) fn places(placements: &[Placement]) -> Vec<DevicesHeld> {
    let grant = |grant: &Grant| DeviceGrant { device: grant.device.clone(), millis: grant.millis };
    let place = |place: &Placement| DevicesHeld { node: place.node, grants: place.grants.iter().map(grant).collect() };
    placements.iter().map(place).collect()
}

/// What a sandbox was given, in the scheduler's words.
pub(super) fn scheduled(grants: &[DeviceGrant]) -> Vec<Grant> {
    grants.iter().map(|grant| Grant { device: grant.device.clone(), millis: grant.millis }).collect()
}

/// What a session asked for.
pub(super) fn resources(record: &SessionRecord) -> Resources {
    let amounts = record.spec.accelerators.iter().map(|(kind, millis)| (kind.clone(), accelerator::amount(*millis)));
    Resources { accelerators: amounts.collect(), ..resources_view(&record.spec.limits) }
}

/// What it was given, while it lives.
pub(super) fn devices_view(record: &SessionRecord) -> Vec<DeviceHeldView> {
    let held = record.grants().filter(|_| record.life.is_live()).flat_map(|(_, grants)| grants);
    held.map(|grant| DeviceHeldView { amount: accelerator::amount(grant.millis), id: grant.device }).collect()
}
