//! Invitations to folders.

use madang_ids::{FolderId, InvitationId, UserId};
use madang_model::{FolderOwner, FolderPermission};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, TransactionTrait, UpdateMany, sea_query::Expr,
};

use crate::{
    FolderRecord, FolderShareRecord, Store, StoreError,
    error::{corrupt, doing, inserting, signed, unsigned},
    folder_share,
};

const DECIDING: &str = "deciding an invitation";

/// What became of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvitationState {
    Pending,
    Accepted,
    Declined,
    Withdrawn,
}

impl InvitationState {
    const ALL: [Self; 4] = [Self::Pending, Self::Accepted, Self::Declined, Self::Withdrawn];

    /// As it is kept and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// An invitation as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationRecord {
    pub id: InvitationId,
    pub folder: FolderId,
    pub invitee: UserId,
    pub permission: FolderPermission,
    pub state: InvitationState,
    pub created_by: UserId,
    pub created_ms: u64,
    /// From then on it cannot be accepted.
    pub expires_ms: u64,
    pub decided_ms: Option<u64>,
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "folder_invitation")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub folder: String,
        pub invitee: String,
        pub pending_invitee: Option<String>,
        pub permission: String,
        pub state: String,
        pub created_by: String,
        pub created_ms: i64,
        pub expires_ms: i64,
        pub decided_ms: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// Refuses a second one to the same user that is pending and has not expired; one that has expired gives way.
    pub async fn invitation_insert(&self, record: &InvitationRecord) -> Result<(), StoreError> {
        const DOING: &str = "keeping an invitation";
        let transaction = self.writer.begin().await.map_err(doing(DOING))?;
        row::Entity::delete_many()
            .filter(row::Column::Folder.eq(record.folder.to_string()))
            .filter(row::Column::PendingInvitee.eq(record.invitee.to_string()))
            .filter(row::Column::ExpiresMs.lte(signed(record.created_ms)))
            .exec(&transaction)
            .await
            .map_err(doing(DOING))?;
        let taken = inserting(DOING, "an invitation of this user to this folder".to_owned());
        row::Entity::insert(to_row(record)).exec_without_returning(&transaction).await.map_err(taken)?;
        transaction.commit().await.map_err(doing(DOING))
    }

    pub async fn invitation_get(&self, id: InvitationId) -> Result<Option<InvitationRecord>, StoreError> {
        let row = row::Entity::find_by_id(id.to_string()).one(&self.reader).await;
        row.map_err(doing("reading an invitation"))?.map(from_row).transpose()
    }

    /// What a user was sent and has sent, the newest first.
    pub async fn invitation_list(&self, user: UserId, limit: u64) -> Result<Vec<InvitationRecord>, StoreError> {
        let theirs = Condition::any()
            .add(row::Column::Invitee.eq(user.to_string()))
            .add(row::Column::CreatedBy.eq(user.to_string()));
        let rows = row::Entity::find().filter(theirs).order_by_desc(row::Column::Id).limit(limit);
        let rows = rows.all(&self.reader).await.map_err(doing("listing invitations"))?;
        rows.into_iter().map(from_row).collect()
    }

    /// Declines or withdraws one that is pending and has not expired.
    pub async fn invitation_end(
        &self,
        record: &InvitationRecord,
        decided: InvitationState,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let transaction = self.writer.begin().await.map_err(doing(DECIDING))?;
        decide(&transaction, record, decided, now_ms).await?;
        transaction.commit().await.map_err(doing(DECIDING))
    }

    /// Accepts one that is pending and has not expired, to a folder that is still as it was `seen`: the invitee has the share from then on.
    /// No more than `most` shares are made.
    pub async fn invitation_accept(
        &self,
        seen: &FolderRecord,
        record: &InvitationRecord,
        most: usize,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let transaction = self.writer.begin().await.map_err(doing(DECIDING))?;
        let share = FolderShareRecord {
            folder: record.folder,
            grantee: FolderOwner::User(record.invitee),
            permission: record.permission,
            created_by: record.created_by,
            created_ms: now_ms,
        };
        folder_share::set(&transaction, seen, &share, most).await?;
        decide(&transaction, record, InvitationState::Accepted, now_ms).await?;
        transaction.commit().await.map_err(doing(DECIDING))
    }
}

async fn decide(
    transaction: &DatabaseTransaction,
    record: &InvitationRecord,
    decided: InvitationState,
    now_ms: u64,
) -> Result<(), StoreError> {
    let done = ending(decided, now_ms)
        .filter(row::Column::Id.eq(record.id.to_string()))
        .filter(row::Column::ExpiresMs.gt(signed(now_ms)))
        .exec(transaction)
        .await
        .map_err(doing(DECIDING))?;
    if done.rows_affected != 1 {
        return Err(StoreError::Stale { subject: format!("invitation {}", record.id) });
    }
    Ok(())
}

/// Takes back every pending one to a folder that has just changed.
pub(crate) async fn withdraw(connection: &impl ConnectionTrait, folder: &FolderRecord) -> Result<(), DbErr> {
    let all = ending(InvitationState::Withdrawn, folder.changed_ms);
    all.filter(row::Column::Folder.eq(folder.id.to_string())).exec(connection).await?;
    Ok(())
}

fn ending(decided: InvitationState, now_ms: u64) -> UpdateMany<row::Entity> {
    row::Entity::update_many()
        .col_expr(row::Column::State, Expr::value(decided.name()))
        .col_expr(row::Column::PendingInvitee, Expr::value(None::<String>))
        .col_expr(row::Column::DecidedMs, Expr::value(signed(now_ms)))
        .filter(row::Column::State.eq(InvitationState::Pending.name()))
}
pub(crate) async fn forget(connection: &impl ConnectionTrait, folder: FolderId) -> Result<(), DbErr> {
    row::Entity::delete_many().filter(row::Column::Folder.eq(folder.to_string())).exec(connection).await?;
    Ok(())
}

fn to_row(record: &InvitationRecord) -> row::ActiveModel {
    let pending = record.state == InvitationState::Pending;
    row::ActiveModel {
        id: Set(record.id.to_string()),
        folder: Set(record.folder.to_string()),
        invitee: Set(record.invitee.to_string()),
        pending_invitee: Set(pending.then(|| record.invitee.to_string())),
        permission: Set(record.permission.name().to_owned()),
        state: Set(record.state.name().to_owned()),
        created_by: Set(record.created_by.to_string()),
        created_ms: Set(signed(record.created_ms)),
        expires_ms: Set(signed(record.expires_ms)),
        decided_ms: Set(record.decided_ms.map(signed)),
    }
}

fn from_row(row: row::Model) -> Result<InvitationRecord, StoreError> {
    const DOING: &str = "reading an invitation";
    let state = InvitationState::ALL.into_iter().find(|state| state.name() == row.state);
    Ok(InvitationRecord {
        id: row.id.parse().map_err(corrupt(DOING))?,
        folder: row.folder.parse().map_err(corrupt(DOING))?,
        invitee: row.invitee.parse().map_err(corrupt(DOING))?,
        permission: FolderPermission::from_name(&row.permission).ok_or_else(|| corrupt(DOING)(row.permission))?,
        state: state.ok_or_else(|| corrupt(DOING)(row.state))?,
        created_by: row.created_by.parse().map_err(corrupt(DOING))?,
        created_ms: unsigned(row.created_ms),
        expires_ms: unsigned(row.expires_ms),
        decided_ms: row.decided_ms.map(unsigned),
    })
}
