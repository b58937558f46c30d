//! What sessions used, by the kernel and by the records.

use std::{fs, path::Path};

use super::{Chaos, Counter, claims};
use crate::{away::recorded_cpu_us, process::soon};

/// The kernel counts a little after it was asked, and the end of a session uses something too.
const APART_US: u64 = 50_000;
const END_US: u64 = 3_000_000;

/// CPU time of a slot since it was given out, microseconds.
fn kernel_cpu_us(slots: &Path, slot: &str, groups: &[std::path::PathBuf]) -> Option<u64> {
    let claim: serde_json::Value = serde_json::from_slice(&fs::read(slots.join(slot).join("claim.json")).ok()?).ok()?;
    let counters = &claim["tally"]["counters"];
    let before = counters["cpu_user_us"].as_u64()? + counters["cpu_system_us"].as_u64()?;
    let read = |file: &str| groups.iter().find_map(|group| fs::read_to_string(group.join(slot).join(file)).ok());
    let v1 = read("cpuacct.usage").and_then(|text| Some(text.trim().parse::<u64>().ok()? / 1_000));
    let field = |text: String| text.lines().find_map(|line| line.strip_prefix("usage_usec ")?.parse().ok());
    v1.or_else(|| read("cpu.stat").and_then(field)).map(|now| now - before)
}

impl Chaos {
    fn kernel_cpu_us(&self, session: &str) -> u64 {
        let of = |role: &crate::process::Role| {
            let (slot, _) = claims(role).into_iter().find(|(_, of)| of == session)?;
            kernel_cpu_us(&role.home().join("slots"), &slot, &role.groups())
        };
        self.nodes.iter().find_map(|(_, role)| of(role)).expect("the kernel counts what the session uses")
    }

    /// Records only grow, and never say more than the kernel does.
    pub async fn check_used(&mut self) {
        for at in 0..self.counters.len() {
            let Counter { session, recorded_us, .. } = &self.counters[at];
            let recorded = recorded_cpu_us(&self.client, session).await;
            let kernel = self.kernel_cpu_us(session);
            assert!(recorded >= *recorded_us, "{session}: {recorded} µs recorded, and {recorded_us} before");
            assert!(recorded <= kernel + APART_US, "{session}: {recorded} µs recorded of {kernel}");
            self.counters[at].recorded_us = recorded;
        }
    }

    /// Ends all that counts; all that it used is recorded, once. Returns how much that was.
    pub async fn end_used(&mut self) -> u64 {
        let mut all = 0;
        for Counter { session, .. } in &self.counters {
            let kernel = self.kernel_cpu_us(session);
            self.client.session_end(session).await.unwrap();
            let recorded = soon("what was used is recorded", async || {
                let recorded = recorded_cpu_us(&self.client, session).await;
                if recorded + APART_US >= kernel { Ok(recorded) } else { Err(format!("{recorded} of {kernel} µs")) }
            })
            .await;
            assert!(recorded <= kernel + END_US, "{session}: {recorded} µs recorded of {kernel}");
            all += recorded;
        }
        all
    }
}
