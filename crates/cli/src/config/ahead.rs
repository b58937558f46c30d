//! The list `[[apps.ahead]]`: apps that this machine keeps started before anybody has asked for them.

use madang_node::AppAhead;

use super::Section;

/// Each weighs as much as dozens of slots without an app.
const SLOTS_MAX: u64 = 16;

pub(super) fn read(apps: &mut Section) -> Vec<AppAhead> {
    let mut ahead = Vec::new();
    for mut section in apps.sections("ahead") {
        let slots = section.number("slots").unwrap_or(1);
        if slots > SLOTS_MAX {
            section.problem("slots", &format!("is {SLOTS_MAX} at most"));
        }
        let (app, language) = (section.needed("app"), section.text("language"));
        ahead.push(AppAhead { app, language, slots: slots.min(SLOTS_MAX) as usize });
        apps.problems.extend(section.end());
    }
    ahead
}
