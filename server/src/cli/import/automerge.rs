//! `quire import automerge-repo` and `quire import automerge`: the documents of a server of automerge-repo from its folder, and one
//! document from a file.
//!
//! One document is taken at a time, file by file; a file that can not be taken is named, and the rest goes on. What a document
//! lacks of it is stored as one change. Then it is read back: its heads have to be those that the files come to.

use std::iter;

use bytes::{Bytes, BytesMut};
use engine::{
    Author, Change, ChangeKind, Content, ContentError, DocumentKey, Dot, Hlc, Kind, PayloadHash,
    ReplicaId, VectorClock,
};
use protocol::automerge::DocumentId;
use storage::{Past, RepoDocument, RepoFile, RepoFolder, Store, StoreError, read_file};

use super::{AUTHOR, Item, Outcome, Place, Target, conclude, text};
use crate::automerge_file::AutomergeFile;
use crate::cli::args::{ImportAutomergeArgs, ImportAutomergeRepoArgs};
use crate::cli::failure::Failure;
use crate::clock::Clock;
use crate::founding::{NO_CONNECTION, Unfit};
use crate::naming::{is_automerge_id, named};

pub(super) async fn folder(args: ImportAutomergeRepoArgs) -> Result<(), Failure> {
    let config = Target::config(&args.target)?;
    let theirs = RepoFolder::open(&args.folder)?;
    let import = Import {
        target: Target::open(config, args.target.dry_run).await?,
        workspace: args.target.workspace.clone(),
    };
    let items = import.all(&theirs).await;
    import.target.close().await?;
    conclude(&items?, &args.target)
}

pub(super) async fn file(args: ImportAutomergeArgs) -> Result<(), Failure> {
    let config = Target::config(&args.target)?;
    if !args.file.exists() {
        let path = args.file.display();
        return Err(Failure::not_found(format!("there is no file {path}")));
    }
    let stem = args.file.file_stem().unwrap_or_default().to_string_lossy();
    let name = args.document.as_deref().unwrap_or(&stem);
    let document = named(&args.target.workspace, name)?;
    if !is_automerge_id(document.name()) {
        return Err(Failure::usage(format!(
            "{name:?} is no id of an Automerge document; name one with --document, as in \
             --document automerge:4NMNnkMhL8jXrdJ9jamS58PAVdXu"
        )));
    }
    let import = Import {
        target: Target::open(config, args.target.dry_run).await?,
        workspace: args.target.workspace.clone(),
    };
    let mut gathered = Gathered::new(import.weight_max());
    let bytes_max = import.target.config.limits.message_bytes;
    let taken = read_file(&args.file, bytes_max).map_err(text);
    let taken = taken.and_then(|bytes| gathered.take(&bytes).map(drop));
    let item = match taken {
        Ok(()) => import.store(document, gathered).await,
        Err(reason) => Ok(gathered.refused(document.name(), reason)),
    };
    import.target.close().await?;
    conclude(&[item?], &args.target)
}

struct Import {
    target: Target,
    workspace: String,
}

/// What is left to be stored of some files, and what was wrong with the others.
struct Gathered {
    content: Content,
    /// The changes of all files, each once.
    payload: BytesMut,
    bytes: usize,
    weight_max: usize,
    faults: Vec<String>,
}

/// What the store has to do for a document to have all of its files.
enum Step {
    /// Nothing.
    Nothing(Outcome),
    /// It is to be created.
    Create,
    /// It lacks something.
    Append {
        lacks: Bytes,
        heads: VectorClock,
        /// What it comes to.
        content: Content,
    },
}

impl Import {
    async fn all(&self, theirs: &RepoFolder) -> Result<Vec<Item>, Failure> {
        let mut items = Vec::new();
        for found in theirs.documents() {
            items.push(match found {
                Ok(found) => self.one(&found).await?,
                Err(fault) => refused(String::new(), 0, fault.to_string()),
            });
        }
        Ok(items)
    }

    async fn one(&self, found: &RepoDocument) -> Result<Item, Failure> {
        let Ok(id) = DocumentId::of_text(&found.id) else {
            let reason = "its folders are not named by the id of a document".to_owned();
            return Ok(refused(found.id.clone(), 0, reason));
        };
        let files = match found.files() {
            Ok(files) => files,
            Err(fault) => return Ok(refused(id.to_string(), 0, fault.to_string())),
        };
        let mut gathered = Gathered::new(self.weight_max());
        for file in &files {
            let taken = gathered.take_named(file, self.target.config.limits.message_bytes);
            if let Err(why) = taken {
                gathered.faults.push(format!("{}: {why}", file.name));
            }
        }
        let document = DocumentKey::new(&self.workspace, &id.to_string())?;
        self.store(document, gathered).await
    }

    /// Stores what a document lacks of its files.
    async fn store(&self, document: DocumentKey, gathered: Gathered) -> Result<Item, Failure> {
        if gathered.payload.is_empty() {
            return Ok(match gathered.faults.is_empty() {
                true => gathered.item(document.name(), Outcome::Empty),
                false => {
                    let reason = gathered.faults.join("; ");
                    refused(document.name().to_owned(), gathered.bytes, reason)
                }
            });
        }
        // The library has to come to the same heads, or this fails.
        if let Err(failure) = gathered.content.text(None) {
            return Ok(gathered.refused(document.name(), text(failure)));
        }
        let stored = match &self.target.place {
            Place::Store(store, replica) => {
                take(&**store, Some(*replica), &document, &gathered).await
            }
            Place::Nowhere(Some(store)) => take(&**store, None, &document, &gathered).await,
            Place::Nowhere(None) => Ok(Outcome::Imported),
        };
        match stored {
            Ok(outcome) => Ok(gathered.item(document.name(), outcome)),
            Err(NotStored::Store(failure)) => Err(failure.into()),
            Err(NotStored::Unfit(reason)) => Ok(gathered.refused(document.name(), reason)),
        }
    }

    fn weight_max(&self) -> usize {
        self.target.config.limits.document_memory
    }
}

/// Why a document was not stored.
enum NotStored {
    Store(StoreError),
    /// It can not be taken.
    Unfit(String),
}

/// Stores what a document lacks, as a change of a replica; without one it is only looked at what there is to store.
async fn take(
    store: &dyn Store,
    replica: Option<ReplicaId>,
    document: &DocumentKey,
    gathered: &Gathered,
) -> Result<Outcome, NotStored> {
    loop {
        let step = step(store, document, gathered).await?;
        let change = replica.and_then(|replica| step.change(document, replica, gathered));
        let Some(change) = change else {
            return Ok(step.outcome());
        };
        let (key, changes) = (document.clone(), vec![change]);
        let stored = match &step {
            Step::Create => store.create_with(key, Kind::Automerge, changes).await,
            _ => store.append(key, Kind::Automerge, changes).await,
        };
        match stored {
            Ok(()) => {
                let past = store.load(document.clone()).await?;
                return step.compare(&past, gathered).map(|()| step.outcome());
            }
            // Another node was faster.
            Err(StoreError::Exists) => {}
            Err(StoreError::Deleted) => return Ok(Outcome::Deleted),
            Err(failure) => return Err(failure.into()),
        }
    }
}

/// Looks at what there is to do.
async fn step(
    store: &dyn Store,
    document: &DocumentKey,
    gathered: &Gathered,
) -> Result<Step, NotStored> {
    match store.describe(document.clone()).await? {
        None => return Ok(Step::Create),
        Some(known) if known.deleted_ms.is_some() => return Ok(Step::Nothing(Outcome::Deleted)),
        Some(known) if known.kind != Kind::Automerge => {
            let reason = format!("there is a document of this name, of kind {}", known.kind);
            return Err(NotStored::Unfit(reason));
        }
        Some(_) => {}
    }
    let past = store.load(document.clone()).await?;
    let mut content = past.content(Kind::Automerge)?;
    let integrated = content.integrate(&gathered.payload)?;
    if !integrated.news {
        return Ok(Step::Nothing(Outcome::Exists));
    }
    let all = || gathered.payload.clone().freeze();
    Ok(Step::Append {
        lacks: integrated.fresh.unwrap_or_else(all),
        heads: past.heads,
        content,
    })
}

impl Step {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Nothing(outcome) => *outcome,
            Self::Create => Outcome::Imported,
            Self::Append { .. } => Outcome::Added,
        }
    }

    /// What is to be stored, if anything is.
    fn change(
        &self,
        document: &DocumentKey,
        replica: ReplicaId,
        gathered: &Gathered,
    ) -> Option<Change> {
        let (context, payload) = match self {
            Self::Nothing(_) => return None,
            Self::Create => {
                let all = gathered.payload.clone().freeze();
                (VectorClock::default(), all)
            }
            Self::Append { lacks, heads, .. } => (heads.clone(), lacks.clone()),
        };
        Some(Change {
            document: document.clone(),
            dot: Dot::new(replica, context.get(replica) + 1),
            context,
            hlc: Hlc::from_wall_ms(Clock::start().now().wall_ms),
            author: Some(Author::new(AUTHOR)),
            connection: NO_CONNECTION,
            kind: ChangeKind::AutomergeChanges,
            payload,
        })
    }

    /// Compares what was stored with what the document was to come to.
    fn compare(&self, past: &Past, gathered: &Gathered) -> Result<(), NotStored> {
        let wanted = match self {
            Self::Append { content, .. } => content,
            Self::Nothing(_) | Self::Create => &gathered.content,
        };
        let stored = past.content(Kind::Automerge)?;
        let has_heads = stored.have(iter::empty()) == wanted.have(iter::empty());
        match has_heads && stored.waiting() == wanted.waiting() {
            true => Ok(()),
            false => Err(NotStored::Unfit(
                "what was stored comes to other heads than its files".to_owned(),
            )),
        }
    }
}

impl Gathered {
    fn new(weight_max: usize) -> Self {
        Self {
            content: Content::new(Kind::Automerge).expect("documents of this kind are served"),
            payload: BytesMut::new(),
            bytes: 0,
            weight_max,
            faults: Vec::new(),
        }
    }

    /// Takes a file of a folder, which is called by the hash of what is in it.
    fn take_named(&mut self, file: &RepoFile, bytes_max: usize) -> Result<(), String> {
        let bytes = file.read(bytes_max).map_err(text)?;
        let read = AutomergeFile::read(&bytes).map_err(text)?;
        let is_later = file.name.starts_with("incremental/");
        let is_named = || PayloadHash::of(&bytes).to_string() == file.hash || read.has(&file.hash);
        if is_later && !is_named() {
            return Err("its name is not the hash of what is in it".to_owned());
        }
        self.add(&read, bytes.len())
    }

    /// Takes a file.
    fn take(&mut self, bytes: &Bytes) -> Result<(), String> {
        let read = AutomergeFile::read(bytes).map_err(text)?;
        self.add(&read, bytes.len())
    }

    fn add(&mut self, file: &AutomergeFile, bytes: usize) -> Result<(), String> {
        self.bytes += bytes;
        if file.payload.is_empty() {
            return Ok(());
        }
        let brings = self.content.brings(&file.payload).map_err(text)?;
        let weight = self.content.weight().saturating_add(brings.weight);
        if brings.additions && weight > self.weight_max {
            return Err(Unfit::TooHeavy(weight, self.weight_max).to_string());
        }
        let integrated = self.content.integrate(&file.payload).map_err(text)?;
        if integrated.let_go {
            return Err("too much of it builds on what is not there".to_owned());
        }
        if integrated.news {
            let fresh = integrated.fresh.as_ref().unwrap_or(&file.payload);
            self.payload.extend_from_slice(fresh);
        }
        Ok(())
    }

    /// What became of a document that was stored, or did not have to be.
    fn item(mut self, document: &str, outcome: Outcome) -> Item {
        let waiting = self.content.waiting().len();
        if waiting > 0 {
            self.faults.push(format!(
                "{waiting} changes build on what is not there, and wait for it"
            ));
        }
        let is_there = !matches!(outcome, Outcome::Deleted | Outcome::Empty);
        let is_part = is_there && !self.faults.is_empty();
        Item {
            document: document.to_owned(),
            bytes: self.bytes,
            outcome: if is_part { Outcome::Partly } else { outcome },
            reason: (!self.faults.is_empty()).then(|| self.faults.join("; ")),
        }
    }

    /// What became of one that was not.
    fn refused(mut self, document: &str, reason: String) -> Item {
        self.faults.insert(0, reason);
        refused(document.to_owned(), self.bytes, self.faults.join("; "))
    }
}

fn refused(document: String, bytes: usize, reason: String) -> Item {
    Item {
        document,
        bytes,
        outcome: Outcome::Refused,
        reason: Some(reason),
    }
}

impl From<StoreError> for NotStored {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ContentError> for NotStored {
    fn from(error: ContentError) -> Self {
        Self::Unfit(error.to_string())
    }
}
