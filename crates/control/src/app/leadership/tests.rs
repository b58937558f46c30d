//! Who leads, by what the database has said and when.

use super::*;

/// Long enough for what is asked while it is said to hold.
const LEASE: Duration = Duration::from_secs(120);

fn leadership() -> Leadership {
    Leadership::new(LEASE, Some(Mutex::default()), Vec::new())
}

fn lease(of: &Leadership, term: u64) -> Lease {
    Lease { name: lease_name("g"), holder: of.us(), term }
}

fn theirs(left_ms: u64) -> LeaseView {
    let process = madang_store::ControlProcess {
        id: ControlId::new(),
        address: Some("http://there".into()),
        nodes_address: None,
        version: "1".into(),
        started_ms: 0,
        seen_ms: 0,
    };
    let lease = Lease { name: lease_name("g"), holder: process.id, term: 9 };
    LeaseView { lease, left_ms, process: Some(process) }
}

#[test]
fn one_leads_once_its_sessions_are_there_and_until_its_time_is_over() {
    let ours = leadership();
    assert_eq!(ours.leader("g"), Leader::Nobody);
    let asked = Instant::now();
    assert_eq!(ours.taken("g", lease(&ours, 1), asked), Change::Gained);
    assert!(!ours.leads("g"), "not before its sessions are there");
    ours.ready("g", 1);
    assert!(ours.leads("g"));
    assert_eq!(ours.taken("g", lease(&ours, 1), asked), Change::None);
    assert!(ours.leads("g"));
    let long_ago = asked.checked_sub(LEASE).unwrap();
    assert_eq!(ours.taken("g", lease(&ours, 1), long_ago), Change::None);
    assert!(!ours.leads("g"), "what the database granted is over");
}

#[test]
fn what_is_in_memory_stays_while_nobody_else_leads() {
    let ours = leadership();
    let long_ago = Instant::now().checked_sub(LEASE).unwrap();
    ours.taken("g", lease(&ours, 1), long_ago);
    assert_eq!(ours.taken("g", lease(&ours, 2), Instant::now()), Change::Gained, "it was not ready");
    ours.ready("g", 1);
    assert!(!ours.leads("g"), "ready under a term that is over");
    ours.ready("g", 2);
    assert_eq!(ours.taken("g", lease(&ours, 3), Instant::now()), Change::None);
    assert!(ours.leads("g"));
    assert_eq!(ours.taken("g", lease(&ours, 5), Instant::now()), Change::Gained, "somebody led under term 4");
    assert!(!ours.leads("g"));
}

#[tokio::test]
async fn whoever_took_its_own_lease_too_late_goes_on_unless_another_led_meanwhile() {
    let ours = leadership();
    ours.taken("g", lease(&ours, 1), Instant::now());
    ours.ready("g", 1);
    let first = ours.fence("g").unwrap();
    assert_eq!(ours.went_on("g", first.term), None, "what the database has granted since is not known");
    ours.taken("g", lease(&ours, 2), Instant::now());
    ours.taken("g", lease(&ours, 3), Instant::now());
    assert!(ours.goes_on("g", &first).await);
    ours.taken("g", lease(&ours, 5), Instant::now());
    ours.ready("g", 5);
    assert!(!ours.goes_on("g", &first).await, "somebody led under term 4");
    let second = ours.fence("g").unwrap();
    ours.not_taken("g", &theirs(60_000));
    assert!(!ours.goes_on("g", &second).await);
}

#[test]
fn whoever_leads_instead_is_known_until_their_time_is_over() {
    let ours = leadership();
    ours.taken("g", lease(&ours, 1), Instant::now());
    ours.ready("g", 1);
    assert_eq!(ours.not_taken("g", &theirs(60_000)), Change::Lost);
    assert_eq!(ours.not_taken("g", &theirs(60_000)), Change::None);
    assert_eq!(ours.leader("g"), Leader::At("http://there".into()));
    ours.not_taken("g", &theirs(0));
    assert_eq!(ours.leader("g"), Leader::Nobody);
    assert_eq!(ours.taken("g", lease(&ours, 10), Instant::now()), Change::Gained);
}

#[test]
fn whoever_resigns_leads_no_more() {
    let ours = leadership();
    ours.taken("g", lease(&ours, 1), Instant::now());
    ours.ready("g", 1);
    assert_eq!(ours.resign(|_| true), vec![lease(&ours, 1)]);
    assert_eq!(ours.leader("g"), Leader::Nobody);
    assert_eq!(ours.fence("g").unwrap().term, 1);
}

#[test]
fn what_is_written_late_names_the_term_that_was_ours() {
    let ours = leadership();
    assert_eq!(ours.fence("g").unwrap().term, 0, "never stands");
    ours.taken("g", lease(&ours, 3), Instant::now());
    ours.not_taken("g", &theirs(1_000));
    assert_eq!(ours.fence("g").unwrap(), Fence { lease: "group/g".into(), term: 3 });
}
