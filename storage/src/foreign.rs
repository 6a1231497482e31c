//! What another server has stored, to import from: read and never written.
//!
//! Hocuspocus' SQLite extension keeps one table, `documents`, of a name and a state (`Y.encodeStateAsUpdate`). Versions 2 to
//! 4 have the same (its source: `extension-sqlite/src/SQLite.ts`). SQLite does not hold a column to its type, so anything may
//! stand there. What automerge-repo keeps is a folder ([`repo_folder`]).

mod repo_folder;
pub use repo_folder::{RepoDocument, RepoFault, RepoFile, RepoFolder, read_file};

use std::path::{Path, PathBuf};

use bytes::Bytes;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions, Row, SqliteConnection};
use thiserror::Error;
use tokio::sync::Mutex;

/// A database of Hocuspocus.
#[derive(Debug)]
pub struct HocuspocusDatabase {
    connection: Mutex<SqliteConnection>,
    path: PathBuf,
}

/// A row of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignDocument {
    /// Where it stands: what comes later has a higher number.
    pub row: i64,
    /// The document's name, if it is text.
    pub name: Option<String>,
    /// Its state, if it is bytes.
    pub state: Option<Bytes>,
}

/// Why nothing can be imported from something.
#[derive(Debug, Error)]
pub enum ForeignError {
    /// There is none.
    #[error("there is no file {}", .0.display())]
    Missing(PathBuf),
    /// There is none.
    #[error("there is no folder {}", .0.display())]
    MissingFolder(PathBuf),
    /// It is something else.
    #[error("{} is not a folder of automerge-repo: {why}", path.display())]
    NotARepo {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// It is something else.
    #[error("{} is not a database of Hocuspocus: {why}", path.display())]
    NotOne {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl HocuspocusDatabase {
    /// Opens a database to read it.
    ///
    /// # Errors
    /// There is no such file, or it is no such database.
    pub async fn open(path: &Path) -> Result<Self, ForeignError> {
        if !path.is_file() {
            return Err(ForeignError::Missing(path.to_owned()));
        }
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let connection = options.disable_statement_logging().connect().await;
        let connection = connection.map_err(|error| not_one(path, &error))?;
        let database = Self {
            connection: Mutex::new(connection),
            path: path.to_owned(),
        };
        database.next(None).await?;
        Ok(database)
    }

    /// The first document after a row, or of all. One at a time: a state may be large.
    ///
    /// # Errors
    /// The file is damaged, or no such database.
    pub async fn next(&self, after: Option<i64>) -> Result<Option<ForeignDocument>, ForeignError> {
        let row = sqlx::query(NEXT)
            .bind(after.unwrap_or(i64::MIN))
            .fetch_optional(&mut *self.connection.lock().await)
            .await
            .map_err(|error| not_one(&self.path, &error))?;
        Ok(row.as_ref().map(read))
    }
}

fn read(row: &SqliteRow) -> ForeignDocument {
    ForeignDocument {
        row: row.get(0),
        name: row.try_get(1).ok().flatten(),
        state: row
            .try_get::<Option<Vec<u8>>, _>(2)
            .ok()
            .flatten()
            .map(Bytes::from),
    }
}

fn not_one(path: &Path, error: &sqlx::Error) -> ForeignError {
    ForeignError::NotOne {
        path: path.to_owned(),
        why: error.to_string(),
    }
}

/// Rows are passed over in the order in which they were written. What is not of its type is none.
const NEXT: &str = "SELECT rowid, CASE typeof(name) WHEN 'text' THEN name END,
    CASE typeof(data) WHEN 'blob' THEN data END
    FROM documents WHERE rowid > ?1 ORDER BY rowid LIMIT 1";

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::AssertSqlSafe;

    async fn made(sql: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("theirs.sqlite");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        let made = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await;
        made.unwrap();
        (folder, path)
    }

    #[tokio::test]
    async fn rows_are_read_one_by_one_whatever_stands_in_them() {
        let (_folder, path) = made(
            r#"CREATE TABLE "documents" ("name" varchar(255) NOT NULL, "data" blob NOT NULL, UNIQUE(name));
            INSERT INTO documents VALUES ('a', x'0000'), (x'ff', x'00'), ('c', 'text'), ('', x'');"#,
        )
        .await;
        let database = HocuspocusDatabase::open(&path).await.unwrap();
        let (mut rows, mut after) = (Vec::new(), None);
        while let Some(next) = database.next(after).await.unwrap() {
            after = Some(next.row);
            rows.push((next.name, next.state));
        }
        let bytes = |bytes: &'static [u8]| Some(Bytes::from_static(bytes));
        let wanted = [
            (Some("a".to_owned()), bytes(&[0, 0])),
            (None, bytes(&[0])),
            (Some("c".to_owned()), None),
            (Some(String::new()), bytes(&[])),
        ];
        assert_eq!(rows, wanted);
    }

    #[tokio::test]
    async fn what_is_no_such_database_is_refused() {
        let (folder, path) = made("CREATE TABLE other (name TEXT);").await;
        let refused = HocuspocusDatabase::open(&path).await.unwrap_err();
        assert!(
            refused.to_string().contains("no such table: documents"),
            "{refused}"
        );
        let text = folder.path().join("notes.txt");
        std::fs::write(&text, "x".repeat(5_000)).unwrap();
        let refused = HocuspocusDatabase::open(&text).await.unwrap_err();
        assert!(refused.to_string().contains("not a database"), "{refused}");
        let missing = HocuspocusDatabase::open(&folder.path().join("none")).await;
        assert!(matches!(missing.unwrap_err(), ForeignError::Missing(_)));
    }
}
