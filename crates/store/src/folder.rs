//! Folders: storage that outlives sessions.

use madang_ids::{FolderId, NodeId, OrganizationId, ProjectId, UserId};
use madang_model::{FolderMode, FolderOwner, FolderPermission, FolderState};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, DatabaseTransaction, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, TransactionTrait,
    sea_query::{Expr, Query, SelectStatement},
};

use crate::{
    Hint, Store, StoreError, directory,
    error::{corrupt, doing, inserting, signed, unsigned},
    folder_invitation, folder_share,
};

/// A folder as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderRecord {
    pub id: FolderId,
    /// Unique among the living folders of its owner.
    pub name: String,
    pub owner: FolderOwner,
    /// The owner's.
    pub organization: OrganizationId,
    pub mode: FolderMode,
    /// What members of its project may do with it; of no meaning where a user owns it.
    pub permission: FolderPermission,
    /// Whether those who may only read it may have a copy.
    pub cloneable: bool,
    pub state: FolderState,
    /// Where it is.
    pub node: NodeId,
    /// Grows with every change; a writer must know the present one.
    pub generation: u64,
    pub created_by: UserId,
    pub created_ms: u64,
    pub changed_ms: u64,
}

impl FolderRecord {
    /// Whether it mounts itself in every session of its owner.
    pub fn mounts_itself(&self) -> bool {
        self.name.starts_with('.')
    }
}

/// Which folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderReach {
    /// Those of these owners.
    Of(Vec<FolderOwner>),
    /// Those that a user owns, that belong to these projects, or that are shared with any of these.
    By { user: UserId, projects: Vec<ProjectId> },
}

/// A page of folders, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderQuery {
    pub reach: FolderReach,
    /// Only those of this name.
    pub name: Option<String>,
    /// Those in the trash, of owners only, or those that live.
    pub trashed: bool,
    pub after: Option<FolderId>,
    pub limit: u64,
}

mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "folder")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub name: String,
        pub living_name: Option<String>,
        pub owner: String,
        pub organization: String,
        pub mode: String,
        pub permission: String,
        pub cloneable: bool,
        pub state: String,
        #[sea_orm(column_type = "Text")]
        pub body: String,
        pub node: String,
        pub generation: i64,
        pub created_by: String,
        pub created_ms: i64,
        pub changed_ms: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl Store {
    /// Refuses a name that a living folder of the same owner has.
    pub async fn folder_insert(&self, record: &FolderRecord) -> Result<(), StoreError> {
        let model = to_row(record)?;
        let taken = inserting("keeping a folder", taken(record));
        row::Entity::insert(model).exec_without_returning(&self.writer).await.map_err(taken)?;
        Ok(())
    }

    /// Replaces what was `seen` if it is still so; returns it as it is kept now. People are read again where what mounts itself may have changed.
    /// Where it gets another owner its shares end, and its invitations are withdrawn.
    pub async fn folder_update(&self, seen: &FolderRecord, wanted: FolderRecord) -> Result<FolderRecord, StoreError> {
        const DOING: &str = "changing a folder";
        let next = FolderRecord { generation: seen.generation + 1, ..wanted };
        let (model, taken) = (to_row(&next)?, inserting(DOING, taken(&next)));
        let transaction = self.writer.begin().await.map_err(doing(DOING))?;
        let by_itself = seen.mounts_itself() || next.mounts_itself();
        if by_itself {
            directory::grow(&transaction).await.map_err(doing(DOING))?;
        }
        let done = row::Entity::update_many()
            .set(model)
            .filter(row::Column::Id.eq(seen.id.to_string()))
            .filter(row::Column::Generation.eq(signed(seen.generation)))
            .exec(&transaction)
            .await
            .map_err(taken)?;
        if done.rows_affected != 1 {
            return Err(stale(seen));
        }
        if next.owner != seen.owner {
            // What the former owner has promised others is no promise of the new one's. Invitations first: one that is accepted at this
            // moment has its share before they go.
            folder_invitation::withdraw(&transaction, &next).await.map_err(doing(DOING))?;
            folder_share::forget(&transaction, seen.id).await.map_err(doing(DOING))?;
        }
        transaction.commit().await.map_err(doing(DOING))?;
        if by_itself {
            self.hint(Hint::Access);
        }
        Ok(next)
    }

    /// Forgets it, its shares and its invitations. One that is not there is left so.
    pub async fn folder_forget(&self, id: FolderId) -> Result<(), StoreError> {
        const DOING: &str = "forgetting a folder";
        let transaction = self.writer.begin().await.map_err(doing(DOING))?;
        folder_share::forget(&transaction, id).await.map_err(doing(DOING))?;
        folder_invitation::forget(&transaction, id).await.map_err(doing(DOING))?;
        row::Entity::delete_by_id(id.to_string()).exec(&transaction).await.map_err(doing(DOING))?;
        transaction.commit().await.map_err(doing(DOING))
    }

    pub async fn folder_get(&self, id: FolderId) -> Result<Option<FolderRecord>, StoreError> {
        let row = row::Entity::find_by_id(id.to_string()).one(&self.reader).await.map_err(doing("reading a folder"))?;
        row.map(from_row).transpose()
    }

    pub async fn folder_list(&self, query: &FolderQuery) -> Result<Vec<FolderRecord>, StoreError> {
        let mut select = row::Entity::find().filter(reached(&query.reach)).order_by_asc(row::Column::Id);
        select = match query.trashed {
            false => select.filter(row::Column::LivingName.is_not_null()),
            true => select.filter(row::Column::LivingName.is_null()).filter(owned(&query.reach)),
        };
        if let Some(name) = &query.name {
            select = select.filter(row::Column::Name.eq(name.as_str()));
        }
        if let Some(after) = query.after {
            select = select.filter(row::Column::Id.gt(after.to_string()));
        }
        let rows = select.limit(query.limit).all(&self.reader).await.map_err(doing("listing folders"))?;
        rows.into_iter().map(from_row).collect()
    }

    /// Folders of an owner, those in the trash too.
    pub async fn folder_count(&self, owner: FolderOwner) -> Result<u64, StoreError> {
        let theirs = row::Entity::find().filter(row::Column::Owner.eq(owner.to_string()));
        theirs.count(&self.reader).await.map_err(doing("counting folders"))
    }

    /// Where an owner's folders are; none where it has none.
    pub async fn folder_node(&self, owner: FolderOwner) -> Result<Option<NodeId>, StoreError> {
        const DOING: &str = "looking for an owner's folders";
        let theirs = row::Entity::find().filter(row::Column::Owner.eq(owner.to_string()));
        let row = theirs.order_by_asc(row::Column::Id).one(&self.reader).await.map_err(doing(DOING))?;
        row.map(|row| row.node.parse().map_err(corrupt(DOING))).transpose()
    }

    /// Those that a node has something to do for.
    pub async fn folder_list_under_way(&self) -> Result<Vec<FolderRecord>, StoreError> {
        let states = ["making", "cloning", "moving", "purging"];
        let rows = row::Entity::find().filter(row::Column::State.is_in(states)).order_by_asc(row::Column::Id);
        let rows = rows.all(&self.reader).await.map_err(doing("listing folders under way"))?;
        rows.into_iter().map(from_row).collect()
    }

    /// Every owner on every node where it has folders.
    pub async fn folder_owner_list(&self) -> Result<Vec<(FolderOwner, NodeId)>, StoreError> {
        const DOING: &str = "listing owners of folders";
        let pairs: Vec<(String, String)> = row::Entity::find()
            .select_only()
            .columns([row::Column::Owner, row::Column::Node])
            .distinct()
            .into_tuple()
            .all(&self.reader)
            .await
            .map_err(doing(DOING))?;
        let read = |(owner, node): (String, String)| {
            Ok((owner.parse().map_err(corrupt(DOING))?, node.parse().map_err(corrupt(DOING))?))
        };
        pairs.into_iter().map(read).collect()
    }

    /// Those that mount themselves, oldest first.
    pub async fn folder_list_by_itself(&self) -> Result<Vec<FolderRecord>, StoreError> {
        let rows = row::Entity::find()
            .filter(row::Column::State.eq(FolderState::Ready.name()))
            .filter(row::Column::Name.starts_with("."))
            .order_by_asc(row::Column::Id)
            .all(&self.reader)
            .await
            .map_err(doing("listing folders that mount themselves"))?;
        rows.into_iter().map(from_row).collect()
    }
}

/// Keeps a folder as it was `seen` until the end of the transaction; refuses where it is so no more.
pub(crate) async fn stay(transaction: &DatabaseTransaction, seen: &FolderRecord) -> Result<(), StoreError> {
    // A write that changes nothing: nobody else writes the row until then, whichever database it is.
    let same = row::Entity::update_many()
        .col_expr(row::Column::Generation, Expr::value(signed(seen.generation)))
        .filter(row::Column::Id.eq(seen.id.to_string()))
        .filter(row::Column::Generation.eq(signed(seen.generation)));
    let done = same.exec(transaction).await.map_err(doing("holding a folder"))?;
    if done.rows_affected == 1 { Ok(()) } else { Err(stale(seen)) }
}

fn stale(seen: &FolderRecord) -> StoreError {
    StoreError::Stale { subject: format!("the folder `{}`", seen.name) }
}

fn taken(record: &FolderRecord) -> String {
    format!("a folder named `{}`", record.name)
}

fn owned(reach: &FolderReach) -> Condition {
    let owners: Vec<_> = match reach {
        FolderReach::Of(owners) => owners.iter().map(FolderOwner::to_string).collect(),
        FolderReach::By { user, projects } => {
            std::iter::once(user.to_string()).chain(projects.iter().map(ProjectId::to_string)).collect()
        }
    };
    Condition::all().add(row::Column::Owner.is_in(owners))
}

fn reached(reach: &FolderReach) -> Condition {
    match reach {
        FolderReach::Of(_) => owned(reach),
        FolderReach::By { user, projects } => {
            let grantees = std::iter::once(user.to_string()).chain(projects.iter().map(ProjectId::to_string));
            Condition::any().add(owned(reach)).add(row::Column::Id.in_subquery(shared_with(grantees)))
        }
    }
}

fn shared_with(grantees: impl Iterator<Item = String>) -> SelectStatement {
    let to = Expr::col("grantee").is_in(grantees);
    Query::select().column("folder").from("folder_share").and_where(to).to_owned()
}

fn to_row(record: &FolderRecord) -> Result<row::ActiveModel, StoreError> {
    let name = record.name.clone();
    Ok(row::ActiveModel {
        id: Set(record.id.to_string()),
        living_name: Set(record.state.is_living().then(|| name.clone())),
        name: Set(name),
        owner: Set(record.owner.to_string()),
        organization: Set(record.organization.to_string()),
        mode: Set(record.mode.name().to_owned()),
        permission: Set(record.permission.name().to_owned()),
        cloneable: Set(record.cloneable),
        state: Set(record.state.name().to_owned()),
        body: Set(serde_json::to_string(&record.state).map_err(corrupt("writing a folder"))?),
        node: Set(record.node.to_string()),
        generation: Set(signed(record.generation)),
        created_by: Set(record.created_by.to_string()),
        created_ms: Set(signed(record.created_ms)),
        changed_ms: Set(signed(record.changed_ms)),
    })
}

fn from_row(row: row::Model) -> Result<FolderRecord, StoreError> {
    const DOING: &str = "reading a folder";
    Ok(FolderRecord {
        id: row.id.parse().map_err(corrupt(DOING))?,
        name: row.name,
        owner: row.owner.parse().map_err(corrupt(DOING))?,
        organization: row.organization.parse().map_err(corrupt(DOING))?,
        mode: FolderMode::from_name(&row.mode).ok_or_else(|| corrupt(DOING)(row.mode))?,
        permission: FolderPermission::from_name(&row.permission).ok_or_else(|| corrupt(DOING)(row.permission))?,
        cloneable: row.cloneable,
        state: serde_json::from_str(&row.body).map_err(corrupt(DOING))?,
        node: row.node.parse().map_err(corrupt(DOING))?,
        generation: unsigned(row.generation),
        created_by: row.created_by.parse().map_err(corrupt(DOING))?,
        created_ms: unsigned(row.created_ms),
        changed_ms: unsigned(row.changed_ms),
    })
}
