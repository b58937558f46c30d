//! Tables as the database names them.

use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, Value};
use serde::{Deserialize, Serialize};

use super::{BackupError, Cell, LEFT_OUT, database_error};

const DOING: &str = "reading which tables there are";
const TABLES_SQLITE: &str = "SELECT m.name AS table_name, c.name AS column_name, c.type AS kind FROM sqlite_master m \
    JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid";
const TABLES_POSTGRES: &str = "SELECT c.table_name::text, c.column_name::text, c.data_type::text AS kind \
    FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name) \
    WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' ORDER BY c.table_name COLLATE \"C\", c.ordinal_position";

/// What a column holds, on either database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Text,
    Integer,
    Boolean,
    Real,
    Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Column {
    pub name: String,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub name: String,
    pub columns: Vec<Column>,
}

impl Kind {
    /// As either database writes it.
    fn of(declared: &str) -> Option<Self> {
        let declared = declared.to_ascii_lowercase();
        let plain = declared.split('(').next().unwrap_or_default().trim_end_matches("_text");
        Some(match plain {
            "text" | "varchar" | "character varying" | "char" => Self::Text,
            "bigint" | "integer" | "smallint" | "int" => Self::Integer,
            "boolean" => Self::Boolean,
            "double" | "real" | "float" | "double precision" => Self::Real,
            "blob" | "bytea" | "binary" | "varbinary" => Self::Bytes,
            _ => return None,
        })
    }

    pub(super) fn read(self, row: &QueryResult, at: usize) -> Result<Cell, sea_orm::DbErr> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        Ok(match self {
            Self::Text => row.try_get_by_index::<Option<String>>(at)?.map_or(Cell::Null, Cell::Text),
            Self::Integer => row.try_get_by_index::<Option<i64>>(at)?.map_or(Cell::Null, Cell::Integer),
            Self::Boolean => row.try_get_by_index::<Option<bool>>(at)?.map_or(Cell::Null, Cell::Boolean),
            Self::Real => row.try_get_by_index::<Option<f64>>(at)?.map_or(Cell::Null, Cell::Real),
            Self::Bytes => {
                let bytes = row.try_get_by_index::<Option<Vec<u8>>>(at)?;
                bytes.map_or(Cell::Null, |bytes| Cell::Bytes { base64: STANDARD.encode(bytes) })
            }
        })
    }

    /// None where the cell is of another kind.
    pub(super) fn value(self, cell: Cell) -> Option<Value> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        Some(match (self, cell) {
            (Self::Text, Cell::Null) => Value::String(None),
            (Self::Text, Cell::Text(text)) => text.into(),
            (Self::Integer, Cell::Null) => Value::BigInt(None),
            (Self::Integer, Cell::Integer(number)) => number.into(),
            (Self::Boolean, Cell::Null) => Value::Bool(None),
            (Self::Boolean, Cell::Boolean(truth)) => truth.into(),
            (Self::Real, Cell::Null) => Value::Double(None),
            (Self::Real, Cell::Real(number)) => number.into(),
            (Self::Real, Cell::Integer(number)) => (number as f64).into(),
            (Self::Bytes, Cell::Null) => Value::Bytes(None),
            (Self::Bytes, Cell::Bytes { base64 }) => STANDARD.decode(base64).ok()?.into(),
            _ => return None,
        })
    }
}

impl Table {
    /// The columns as they are read: whatever their width, numbers are read as the widest.
    pub(super) fn read_list(&self) -> String {
        let read = |column: &Column| match column.kind {
            Kind::Integer => format!("CAST(\"{}\" AS BIGINT)", column.name),
            Kind::Real => format!("CAST(\"{}\" AS DOUBLE PRECISION)", column.name),
            Kind::Text | Kind::Boolean | Kind::Bytes => format!("\"{}\"", column.name),
        };
        self.columns.iter().map(read).collect::<Vec<_>>().join(", ")
    }

    /// The columns, for a statement.
    pub(super) fn column_list(&self) -> String {
        let quoted: Vec<_> = self.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        quoted.join(", ")
    }
}

/// Every table but those that are left out, by name.
pub(super) async fn tables(connection: &impl ConnectionTrait) -> Result<Vec<Table>, BackupError> {
    let backend = connection.get_database_backend();
    let asked = if backend == DbBackend::Postgres { TABLES_POSTGRES } else { TABLES_SQLITE };
    let rows = connection.query_all_raw(Statement::from_string(backend, asked)).await.map_err(database_error(DOING))?;
    let mut tables: Vec<Table> = Vec::new();
    for row in rows {
        let text = |column: &str| row.try_get::<String>("", column).map_err(database_error(DOING));
        let (table, column, kind) = (text("table_name")?, text("column_name")?, text("kind")?);
        if LEFT_OUT.contains(&table.as_str()) {
            continue;
        }
        let known = Kind::of(&kind);
        let Some(kind) = known else { return Err(BackupError::Unknown { table, column, kind }) };
        let column = Column { name: column, kind };
        match tables.last_mut().filter(|last| last.name == table) {
            Some(last) => last.columns.push(column),
            None => tables.push(Table { name: table, columns: vec![column] }),
        }
    }
    Ok(tables)
}
