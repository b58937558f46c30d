//! Nodes and settings in the scheduler's words.

use std::collections::{BTreeMap, BTreeSet};

use madang_node_api::{DeviceSeen, LanguageSeen};
use madang_public_api::{Placement, Preference, QueueOrder, ResourceGroupSettings};
use madang_schedule::{Amount, Device, GroupRules, HeadRule, Node, NodeState, Prefer, Spreading};

use super::{
    fleet::{Member, MemberState},
    folder_mount::{node_label, place_label},
};

/// What is not bounded: more than any node has, and little enough that thousands of nodes can be summed up.
const BOUNDLESS: u64 = 1 << 50;

pub(super) fn rules(settings: &ResourceGroupSettings) -> GroupRules {
    GroupRules {
        order: match settings.order {
            QueueOrder::Fifo => madang_schedule::QueueOrder::Fifo,
            QueueOrder::Lifo => madang_schedule::QueueOrder::Lifo,
            QueueOrder::Drf => madang_schedule::QueueOrder::Drf,
            QueueOrder::FairShare => madang_schedule::QueueOrder::FairShare,
        },
        spreading: match settings.placement {
            Placement::Pack => Spreading::Pack,
            Placement::Spread => Spreading::Spread,
            Placement::RoundRobin => Spreading::RoundRobin,
        },
        prefer: match settings.prefer {
            Preference::Nothing => Prefer::Nothing,
            Preference::Image => Prefer::Image,
            Preference::Warm => Prefer::Warm,
        },
        head: HeadRule { tries: settings.head_tries, wait_ms: settings.head_wait_ms },
        priority_step_ms: settings.priority_step_ms,
    }
}

pub(super) fn scheduled_node(member: &Member, settings: &ResourceGroupSettings) -> Node {
    let facts = member.node.facts();
    let part = |whole: u64, percent: Option<u64>| match percent {
        // Divided first, so that nothing overflows; a node has more than a hundred of either.
        Some(percent) => (whole / 100).saturating_mul(percent),
        None => BOUNDLESS,
    };
    let here = member.is_here();
    Node {
        state: match member.state {
            _ if !here => NodeState::Silent,
            MemberState::Schedulable => NodeState::Schedulable,
            MemberState::Cordoned => NodeState::Cordoned,
            MemberState::Draining => NodeState::Draining,
        },
        capacity: Amount {
            cpu_millis: part(facts.cpu_millis, settings.cpu_percent),
            memory_bytes: part(facts.memory_bytes, settings.memory_percent),
            // Nodes do not say yet how much there is.
            disk_bytes: BOUNDLESS,
        },
        devices: facts.devices.into_iter().map(scheduled_device).collect(),
        labels: facts.labels.into_iter().chain([node_label(member.id), place_label(member.folder_place())]).collect(),
        images: BTreeSet::new(),
        languages: languages(&member.node.languages()),
        // Its own wish to be asked first ends with its last waiting slot: how many there are changes with every start.
        pools: if here { waiting(&member.node.health().pool_ready) } else { BTreeMap::new() },
    }
}

fn scheduled_device(device: DeviceSeen) -> Device {
    Device { id: device.id, kind: device.kind, shares: device.shares }
}

fn languages(seen: &[LanguageSeen]) -> BTreeSet<String> {
    seen.iter().filter(|language| language.unavailable.is_none()).map(|language| language.id.clone()).collect()
}

fn waiting(pools: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    pools.iter().filter(|(_, ready)| **ready > 0).map(|(pool, ready)| (pool.clone(), *ready)).collect()
}
