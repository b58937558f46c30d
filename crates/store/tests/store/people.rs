//! People, and what belongs to them.

use madang_ids::{OrganizationId, ProjectId, RunId, UserId};
use madang_model::{
    Owner, ProjectRole, Role, Sight,
    person::{ADMINISTRATOR, DEFAULT_ORGANIZATION, DEFAULT_PROJECT},
};
use madang_store::{
    MembershipRecord, OrganizationRecord, ProjectRecord, SessionOrder, SessionPage, SessionRecord, StoreError,
    UserRecord,
};
use madang_testkit::TestDatabase;
use sea_orm::{ConnectionTrait, Database};

use super::{open, session};

fn organization(name: &str) -> OrganizationRecord {
    OrganizationRecord { id: OrganizationId::new(), name: name.into(), policy: None, created_ms: 1, archived_ms: None }
}

fn user(organization: OrganizationId, name: &str) -> UserRecord {
    UserRecord {
        id: UserId::new(),
        organization,
        name: name.into(),
        email: None,
        role: Role::Member,
        project: None,
        policy: None,
        created_ms: 1,
        suspended_ms: None,
        archived_ms: None,
    }
}

#[tokio::test]
async fn a_new_database_has_the_defaults() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let organizations = store.organization_list().await.unwrap();
        assert_eq!(organizations.len(), 1);
        assert_eq!((organizations[0].id, organizations[0].name.as_str()), (DEFAULT_ORGANIZATION, "default"));
        let projects = store.project_list().await.unwrap();
        assert_eq!((projects[0].id, projects[0].organization), (DEFAULT_PROJECT, DEFAULT_ORGANIZATION));
        let users = store.user_list().await.unwrap();
        assert_eq!((users[0].id, users[0].role), (ADMINISTRATOR, Role::SystemAdministrator));
        let memberships = store.membership_list().await.unwrap();
        assert_eq!((memberships[0].project, memberships[0].user), (DEFAULT_PROJECT, ADMINISTRATOR));
    }
}

#[tokio::test]
async fn people_are_kept_changed_and_unique_by_name_and_every_change_is_a_new_version() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let before = store.directory_version().await.unwrap();
        let mut school = organization("school");
        store.organization_insert(&school).await.unwrap();
        let taken = store.organization_insert(&organization("school")).await;
        assert!(matches!(taken, Err(StoreError::Exists { .. })), "{taken:?}");
        school.archived_ms = Some(7);
        store.organization_update(&school).await.unwrap();
        assert_eq!(store.organization_list().await.unwrap()[1], school);
        for (name, fits) in [("default", true), ("maths", true), ("maths", false)] {
            let project = ProjectRecord {
                id: ProjectId::new(),
                organization: school.id,
                name: name.into(),
                policy: Some("small".into()),
                created_ms: 1,
                archived_ms: None,
            };
            assert_eq!(store.project_insert(&project).await.is_ok(), fits, "{name}");
        }
        let mut ada = user(school.id, "ada");
        store.user_insert(&ada).await.unwrap();
        let before_that = ada.clone();
        ada.suspended_ms = Some(3);
        store.user_update(&before_that, &ada, 9).await.unwrap();
        // Whoever has not seen the suspension cannot undo it along with what they meant to change.
        let with_email = UserRecord { email: Some("ada@school.example".into()), ..before_that.clone() };
        let late = store.user_update(&before_that, &with_email, 9).await;
        assert!(matches!(late, Err(StoreError::Stale { .. })), "{late:?}");
        assert_eq!(store.user_list().await.unwrap()[1], ada);
        let clashing = UserRecord { name: "administrator".into(), ..ada.clone() };
        assert!(matches!(store.user_update(&ada, &clashing, 9).await, Err(StoreError::Exists { .. })));
        for role in [ProjectRole::Member, ProjectRole::ProjectManager] {
            let record = MembershipRecord { project: DEFAULT_PROJECT, user: ada.id, role, created_ms: 1 };
            store.membership_set(&record).await.unwrap();
            assert!(store.membership_list().await.unwrap().contains(&record));
        }
        store.membership_remove(DEFAULT_PROJECT, ada.id).await.unwrap();
        assert_eq!(store.membership_list().await.unwrap().len(), 1);
        // Refused ones leave the version as it was: two organizations, two projects, two users, three memberships.
        assert_eq!(store.directory_version().await.unwrap(), before + 9);
    }
}

/// What a program from before owners writes, and what it left behind: its rows have no owner.
#[tokio::test]
async fn rows_from_before_belong_to_the_administrator() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let known = session("known");
        store.session_insert(&known).await.unwrap();
        let bare = Database::connect(database.url()).await.unwrap();
        let id = madang_ids::SessionId::new();
        let old = format!(
            "INSERT INTO session (id, name, state, generation, body, created_ms) \
             SELECT '{id}', 'old', state, generation, body, created_ms FROM session"
        );
        bare.execute_unprepared(&old).await.unwrap();
        assert_eq!(store.session_get(id).await.unwrap().unwrap().owner, Owner::DEFAULT);
    }
}

#[tokio::test]
async fn a_list_has_what_its_reader_may_see_and_names_are_each_owners_own() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let (ada, bob) = (UserId::new(), UserId::new());
        let (maths, music) = (ProjectId::new(), ProjectId::new());
        let (school, club) = (OrganizationId::new(), OrganizationId::new());
        let owners = [(ada, maths, school), (bob, maths, school), (bob, music, club)];
        let owned = owners.map(|(user, project, organization)| Owner { user, project, organization });
        for (owner, name) in owned.into_iter().zip(["same", "same", "other"]) {
            store.session_insert(&SessionRecord { owner, ..session(name) }).await.unwrap();
        }
        let again = store.session_insert(&SessionRecord { owner: owned[2], ..session("same") }).await;
        assert!(matches!(again, Err(StoreError::Exists { .. })), "{again:?}");
        for (sight, expected) in [
            (Sight::All, vec![0, 1, 2]),
            (Sight::Organization(school), vec![0, 1]),
            (Sight::Own { user: ada, managed: vec![] }, vec![0]),
            (Sight::Own { user: ada, managed: vec![maths, music] }, vec![0, 1, 2]),
            (Sight::Own { user: UserId::new(), managed: vec![music] }, vec![2]),
            (Sight::Own { user: UserId::new(), managed: vec![] }, vec![]),
        ] {
            let page = SessionPage {
                sight: sight.clone(),
                order: SessionOrder::OldestFirst,
                limit: 10,
                ..SessionPage::default()
            };
            let seen: Vec<_> = store.session_list(&page).await.unwrap().into_iter().map(|kept| kept.owner).collect();
            let expected: Vec<_> = expected.into_iter().map(|index| owned[index]).collect();
            assert_eq!(seen, expected, "{sight:?}");
            assert!(expected.iter().all(|owner| sight.shows(owner)));
        }
    }
}

#[tokio::test]
async fn a_run_keeps_its_owner() {
    for database in TestDatabase::each().await {
        let store = open(&database).await;
        let owner = Owner { user: UserId::new(), project: ProjectId::new(), organization: OrganizationId::new() };
        let record = madang_store::RunRecord { id: RunId::new(), owner, ..super::finished("x", 1) };
        store.run_finish(&record).await.unwrap();
        assert_eq!(store.run_get(record.id).await.unwrap(), Some(record));
    }
}
