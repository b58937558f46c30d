//! Use is counted once, whatever becomes of the readings on their way.

use std::collections::BTreeMap;

use madang_ids::{NodeId, SandboxId, SessionId, UserId};
use madang_model::{Limits, Owner, Price, PricedUnit, Reading, Sight, Tariff, Usage};
use madang_store::{
    Counted, RunRecord, Store, UsageAfter, UsageBy, UsagePage, UsageQuery, UsageRecord, UsageSource, UsageTotal,
};
use madang_testkit::TestDatabase;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::{finished, open};

const NOW: u64 = 1_800_000_000_000;
const DAY: u64 = NOW / 86_400_000;
/// Cases on each database.
const CASES: u32 = 48;

fn owner() -> Owner {
    Owner { user: UserId::new(), ..Owner::DEFAULT }
}

fn source(owner: Owner) -> UsageSource {
    let limits = Limits { cpu_millis: 1_000, memory_bytes: 1 << 30, ..Limits::default() };
    UsageSource { owner, image: "host".into(), language: Some("sim".into()), limits, created_ms: NOW - 1_000_000 }
}

fn tariff() -> Tariff {
    Tariff::new([Price { unit: PricedUnit::CpuHour, micro: 3_600_000_000, from_ms: 0 }])
}

fn used(cpu_user_us: u64) -> Usage {
    let wall_us = 900_000_000;
    Usage { wall_us, cpu_user_us, memory_kib_ms: cpu_user_us * 3, sent_bytes: cpu_user_us, ..Usage::default() }
}

fn reading(sandbox: SandboxId, session: SessionId, sequence: u64, cpu_user_us: u64) -> Reading {
    Reading { sandbox, session, sequence, at_ms: NOW - 10, last: false, usage: used(cpu_user_us) }
}

async fn total(store: &Store, owner: Owner) -> Option<UsageTotal> {
    let sight = Sight::Own { user: owner.user, managed: Vec::new() };
    let query = UsageQuery {
        by: UsageBy::User,
        sight,
        user: None,
        project: None,
        from_day: DAY - 20,
        until_day: DAY + 1,
        limit: 10,
    };
    store.usage_totals(&query).await.unwrap().into_iter().next()
}

async fn records(store: &Store, owner: Owner) -> Vec<UsageRecord> {
    let sight = Sight::Own { user: owner.user, managed: Vec::new() };
    let mut page = UsagePage { sight, from_ms: 0, until_ms: NOW + 1, after: None, limit: 3 };
    let mut all: Vec<UsageRecord> = Vec::new();
    loop {
        let some = store.usage_records(&page).await.unwrap();
        let Some(last) = some.last() else { return all };
        page.after = Some(UsageAfter { at_ms: last.at_ms, subject: last.subject.clone(), sequence: last.sequence });
        all.extend(some);
    }
}

/// What sandboxes really used from reading to reading, and how the readings arrive: which come, in which batches, again and late.
#[derive(Debug, Clone)]
struct Case {
    grown: Vec<Vec<u64>>,
    arrivals: Vec<Vec<(usize, usize)>>,
}

fn cases() -> impl Strategy<Value = Case> {
    let grown = vec(vec(0..5_000_000_u64, 1..8), 1..4);
    let arrivals = vec(vec((0..4_usize, 0..8_usize), 0..6), 0..8);
    (grown, arrivals).prop_map(|(grown, arrivals)| Case { grown, arrivals })
}

async fn play(store: &Store, case: &Case) -> Result<(), TestCaseError> {
    let (node, owner) = (NodeId::new(), owner());
    let sums = |grown: &Vec<u64>| -> Vec<u64> {
        grown
            .iter()
            .scan(0, |sum, more| {
                *sum += more;
                Some(*sum)
            })
            .collect()
    };
    let sandboxes: Vec<_> = case.grown.iter().map(|grown| (SandboxId::new(), SessionId::new(), sums(grown))).collect();
    let told = |(which, index): &(usize, usize)| {
        let (sandbox, session, sums) = &sandboxes[which % sandboxes.len()];
        let index = index % sums.len();
        (reading(*sandbox, *session, index as u64 + 1, sums[index]), source(owner))
    };
    for batch in &case.arrivals {
        let batch: Vec<_> = batch.iter().map(told).collect();
        store.usage_count(node, &batch, &tariff(), NOW).await.unwrap();
    }
    // The newest of each comes until it is acknowledged, and once more because the acknowledgement was lost.
    let newest: Vec<_> = (0..sandboxes.len()).map(|which| (which, sandboxes[which].2.len() - 1)).collect();
    let newest: Vec<_> = newest.iter().map(told).collect();
    store.usage_count(node, &newest, &tariff(), NOW).await.unwrap();
    let again = store.usage_count(node, &newest, &tariff(), NOW).await.unwrap();
    prop_assert!(again.iter().all(|counted| *counted == Counted::Before), "{again:?}");
    let cpu: u64 = case.grown.iter().flatten().sum();
    let total = total(store, owner).await.unwrap();
    let kept = records(store, owner).await;
    prop_assert_eq!(total.usage.cpu_user_us, cpu);
    prop_assert_eq!(total.memory_kib_ms, u128::from(cpu * 3));
    prop_assert_eq!(total.cost_nano, u128::from(cpu) * 1_000);
    prop_assert_eq!(total.records, kept.len() as u64);
    prop_assert_eq!(kept.iter().map(|record| record.usage.cpu_user_us).sum::<u64>(), cpu);
    for (_, session, sums) in &sandboxes {
        let (usage, cost) = store.usage_of_session(*session).await.unwrap().unwrap();
        prop_assert_eq!((usage.cpu_user_us, cost), (*sums.last().unwrap(), sums.last().unwrap() * 1_000));
    }
    Ok(())
}

#[test]
fn lost_doubled_and_reordered_readings_change_no_sum() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for database in runtime.block_on(TestDatabase::each()) {
        let store = runtime.block_on(open(&database));
        let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
        runner.run(&cases(), |case| runtime.block_on(play(&store, &case))).unwrap();
        // Its tasks go before the runtime does.
        runtime.block_on(async move { drop(store) });
    }
}

#[tokio::test]
async fn two_processes_that_hear_the_same_count_it_once() {
    for database in TestDatabase::each().await {
        let stores = [open(&database).await, open(&database).await];
        let (node, owner) = (NodeId::new(), owner());
        let sandboxes: Vec<_> = (0..20).map(|_| (SandboxId::new(), SessionId::new())).collect();
        let batch = |sequence: u64| -> Vec<_> {
            let one = |(sandbox, session): &(SandboxId, SessionId)| {
                (reading(*sandbox, *session, sequence, sequence * 1_000), source(owner))
            };
            sandboxes.iter().map(one).collect()
        };
        let counting = (1..=5).flat_map(|sequence| [(sequence, 0), (sequence, 1)]).map(|(sequence, which)| {
            let (store, batch): (Store, _) = (stores[which].clone(), batch(sequence));
            tokio::spawn(async move { store.usage_count(node, &batch, &tariff(), NOW).await })
        });
        for counted in counting.collect::<Vec<_>>() {
            counted.await.unwrap().unwrap();
        }
        stores[0].usage_count(node, &batch(6), &tariff(), NOW).await.unwrap();
        let total = total(&stores[1], owner).await.unwrap();
        assert_eq!(total.usage.cpu_user_us, 20 * 6_000);
        let kept = records(&stores[1], owner).await;
        assert_eq!(kept.iter().map(|record| record.usage.cpu_user_us).sum::<u64>(), 20 * 6_000);
    }
}

#[tokio::test]
async fn what_cannot_be_true_counts_for_nothing() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let (node, owner, source) = (NodeId::new(), owner(), source);
        let (sandbox, session) = (SandboxId::new(), SessionId::new());
        let count = async |node, sequence, cpu_us| {
            let one = [(reading(sandbox, session, sequence, cpu_us), source(owner))];
            store.usage_count(node, &one, &tariff(), NOW).await.unwrap().remove(0)
        };
        assert!(matches!(count(node, 1, 1_000).await, Counted::New(_)));
        assert!(matches!(count(node, 2, 999).await, Counted::Refused(_)), "it shrank");
        assert!(matches!(count(node, 3, u64::MAX / 8).await, Counted::Refused(_)), "nobody has so many processors");
        assert_eq!(count(NodeId::new(), 4, 2_000).await, Counted::Elsewhere);
        assert!(matches!(count(node, 5, 3_000).await, Counted::New(_)), "what is true counts on");
        assert_eq!(total(&store, owner).await.unwrap().usage.cpu_user_us, 3_000);
    }
}

#[tokio::test]
async fn a_one_shot_runs_use_is_kept_with_its_result_and_once() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let owner = owner();
        let records: Vec<_> = (0..100).map(|index| RunRecord { owner, ..finished(&index.to_string(), NOW) }).collect();
        let of = |run: &RunRecord| UsageRecord {
            subject: run.id.to_string(),
            sequence: 1,
            at_ms: NOW,
            owner,
            session: None,
            image: "host".into(),
            language: None,
            node: None,
            usage: Usage { memory_peak_bytes: 7, ..used(10) },
            cost_nano: 2,
        };
        let writes = records.iter().chain(&records).map(|run| {
            let (store, run, used) = (store.clone(), run.clone(), of(run));
            tokio::spawn(async move { store.run_finish_fenced(&run, Some(&used), None).await })
        });
        for write in writes.collect::<Vec<_>>() {
            write.await.unwrap().unwrap();
        }
        let total = total(&store, owner).await.unwrap();
        assert_eq!((total.records, total.usage.cpu_user_us, total.cost_nano), (100, 1_000, 200));
        assert_eq!(total.usage.memory_peak_bytes, 7, "peaks do not add up");
        let kept: BTreeMap<_, _> =
            self::records(&store, owner).await.into_iter().map(|record| (record.subject.clone(), record)).collect();
        assert_eq!(kept.len(), 100);
        for run in &records {
            assert_eq!(kept[&run.id.to_string()], of(run));
            assert!(store.run_get(run.id).await.unwrap().is_some());
        }
    }
}
