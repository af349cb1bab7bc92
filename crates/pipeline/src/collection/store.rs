//! The transactional file: rows, ids, segments. What it says is what the collection is.
//!
//! A row is a number that is never used again. A row is alive while it is in `ROWS`: deleting or
//! replacing a vector removes its row, so that a segment's dead rows are those of its list that
//! are not in `ROWS` any more; no tombstone can disagree with the data.
//!
//! All values carry a [checksum](super::record). The store's own code may panic on a damaged file: that is
//! caught here and becomes an error (unless the program is compiled to abort on panics), and the
//! store refuses to be used any further.

use super::{
    apply::{apply_entries, changed},
    attributes::Attributes,
    tables::{
        ATTRIBUTES, CHANGES, DESCRIBED, DIM, IDS, NAMES, NEXT_SEGMENT, OPTIONS, ROWS, SEGMENTS,
        STATE, StoreError, TEXTS, WORDED, complete, counter, damaged, init, is_current, of_row,
        set_counter, state,
    },
    types::{Batch, CollectionError, CollectionOptions, ExternalId, Row},
    upgrade,
    values::{
        Change, Segment, Texts, attributes_of, row_of, row_under, segment_of, text_of, vector,
    },
};
use crinoid_quant::{Preparation, Vectors};
use redb::{
    Builder, ConcurrencyMode, Database, ReadOnlyDatabase, ReadTransaction, ReadableDatabase,
    ReadableTable, WriteTransaction,
};
use std::{
    collections::BTreeMap,
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

/// Runs `work`; a panic in it is a damaged file.
pub(super) fn caught<T>(
    work: impl FnOnce() -> Result<T, CollectionError>,
) -> Result<T, CollectionError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let why = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        Err(CollectionError::Damaged { what: format!("the file ({why})") })
    })
}

/// The store at one time.
pub(super) struct View {
    read: ReadTransaction,
    dim: usize,
}

impl View {
    /// Every live row and its id, ascending.
    pub(super) fn names(&self) -> Result<BTreeMap<u64, ExternalId>, StoreError> {
        let mut names = BTreeMap::new();
        for entry in self.read.open_table(NAMES)?.iter()? {
            let (row, value) = entry?;
            let row = row.value();
            let name = of_row("names", &row.to_le_bytes(), &[]).open(value.value());
            let name = name.and_then(ExternalId::from_bytes);
            names.insert(row, name.ok_or_else(|| damaged(format!("the id of row {row}")))?);
        }
        Ok(names)
    }

    /// The segments, oldest first.
    pub(super) fn segments(&self) -> Result<Vec<(u64, Segment)>, StoreError> {
        let mut segments = Vec::new();
        for entry in self.read.open_table(SEGMENTS)?.iter()? {
            let (number, value) = entry?;
            let number = number.value();
            segments.push((number, segment_of(number, value.value())?));
        }
        Ok(segments)
    }

    /// The vectors of `rows` as they were given; rows that are not alive any more are left out, and
    /// from `rows` as well.
    fn raw(&self, rows: &mut BTreeMap<u64, ExternalId>) -> Result<Vec<f32>, StoreError> {
        let table = self.read.open_table(ROWS)?;
        let (mut values, mut gone) = (Vec::new(), Vec::new());
        for (&row, id) in rows.iter() {
            match table.get(row)? {
                Some(value) => values.extend(vector(row, id, value.value(), self.dim)?),
                None => gone.push(row),
            }
        }
        gone.iter().for_each(|row| drop(rows.remove(row)));
        Ok(values)
    }

    /// The vectors of `rows`, all of which are alive, with all dimensions, prepared.
    pub(super) fn prepared(
        &self,
        rows: &BTreeMap<u64, ExternalId>,
        preparation: &Preparation,
    ) -> Result<Vectors, CollectionError> {
        let mut found = rows.clone();
        let raw = self.raw(&mut found)?;
        if rows.len() != found.len() {
            return Err(CollectionError::Damaged { what: "an id without a vector".to_owned() });
        }
        Ok(preparation.apply_all(&Vectors::new(raw.as_slice(), self.dim)?)?)
    }

    /// The texts of those of `rows` that have one.
    pub(super) fn texts(&self, rows: impl Iterator<Item = u64>) -> Result<Texts, StoreError> {
        let mut all = Texts::new();
        if counter(&self.read, WORDED)? == 0 {
            return Ok(all);
        }
        let table = self.read.open_table(TEXTS)?;
        for row in rows {
            if let Some(value) = table.get(row)? {
                all.insert(row, text_of(row, value.value())?.into());
            }
        }
        Ok(all)
    }

    /// The attributes of all rows that have any.
    pub(super) fn attributes(&self) -> Result<BTreeMap<u64, Attributes>, StoreError> {
        let mut all = BTreeMap::new();
        for entry in self.read.open_table(ATTRIBUTES)?.iter()? {
            let (row, value) = entry?;
            let row = row.value();
            all.insert(row, attributes_of(row, value.value())?);
        }
        match counter(&self.read, DESCRIBED)? == all.len() as u64 {
            true => Ok(all),
            false => Err(damaged("the table of attributes: some are missing")),
        }
    }

    /// How many rows have a text.
    #[cfg(feature = "text")]
    pub(super) fn worded(&self) -> Result<u64, StoreError> {
        counter(&self.read, WORDED)
    }

    /// How many batches and rewrites there have been; `None` in a store that is older than this count.
    pub(super) fn changes(&self) -> Option<u64> {
        counter(&self.read, CHANGES).ok()
    }
}

/// The file, open for whom.
enum Db {
    /// For the one who writes.
    Writer(Database),
    /// For one who reads, beside the writer and other readers.
    Reader(ReadOnlyDatabase),
}

impl Db {
    fn begin_read(&self) -> Result<ReadTransaction, StoreError> {
        Ok(match self {
            Db::Writer(db) => db.begin_read()?,
            Db::Reader(db) => db.begin_read()?,
        })
    }

    fn begin_write(&self) -> Result<WriteTransaction, StoreError> {
        match self {
            Db::Writer(db) => Ok(db.begin_write()?),
            Db::Reader(_) => Err(damaged("nobody writes through what is open for reading")),
        }
    }
}

/// The open store. Reading takes `&self`, any number of times at once, also while somebody writes.
pub(super) struct Store {
    /// `None` only while it is dropped.
    db: Option<Db>,
    path: PathBuf,
    file: FileId,
    /// Whether it panicked.
    broken: AtomicBool,
    options: CollectionOptions,
    preparation: Preparation,
}

impl Drop for Store {
    fn drop(&mut self) {
        let db = self.db.take();
        // Closing a damaged file may panic, too. Nobody is left to tell.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(db)));
    }
}

impl Store {
    /// Makes the file and all tables in one transaction.
    pub(super) fn create(
        path: &Path,
        dim: usize,
        options: &CollectionOptions,
    ) -> Result<(), CollectionError> {
        let json = options_json(options)?;
        caught(|| {
            let db = Database::create(path).map_err(StoreError::from)?;
            Ok(init(&db, dim, &json)?)
        })
    }

    /// Opens it for writing: for this process alone, or `shared` with others that follow, which costs every commit
    /// a second sync.
    pub(super) fn open(path: &Path, shared: bool) -> Result<Self, CollectionError> {
        Self::open_as(path, || {
            let mut builder = Builder::new();
            if shared {
                builder.set_concurrency_mode(ConcurrencyMode::SingleWriter);
            }
            let mut db = builder.open(path).map_err(|error| refused(path, error))?;
            upgrade::to_format_2(&mut db)?;
            complete(&db)?;
            Ok(Db::Writer(db))
        })
    }

    /// Opens it for reading, beside others that do and one that writes and shares it.
    pub(super) fn follow(path: &Path) -> Result<Self, CollectionError> {
        Self::open_as(path, || {
            let mut builder = Builder::new();
            builder.set_concurrency_mode(ConcurrencyMode::SingleWriter);
            let db = builder.open_read_only(path).map_err(|error| refused(path, error))?;
            let db = Db::Reader(db);
            // What an older version wrote is brought up to date by whoever writes.
            match is_current(&db.begin_read()?)? {
                true => Ok(db),
                false => Err(CollectionError::Unclosed { path: path.to_owned() }),
            }
        })
    }

    fn open_as(
        path: &Path,
        open: impl FnOnce() -> Result<Db, CollectionError>,
    ) -> Result<Self, CollectionError> {
        let file = FileId::of(path).map_err(CollectionError::io(path))?;
        let (db, json, dim) = caught(|| {
            let db = open()?;
            let read = db.begin_read()?;
            let (json, dim) = (state(&read, OPTIONS)?, counter(&read, DIM)?);
            drop(read);
            Ok((db, json, dim))
        })?;
        let damaged = |what: &str| CollectionError::Damaged { what: what.to_owned() };
        let options: CollectionOptions =
            serde_json::from_slice(&json).map_err(|_| damaged(OPTIONS))?;
        let dim = usize::try_from(dim).map_err(|_| damaged(DIM))?;
        options.validate(dim)?;
        let preparation = Preparation::new(options.build.metric, dim);
        let (path, broken) = (path.to_owned(), AtomicBool::new(false));
        Ok(Self { db: Some(db), path, file, broken, options, preparation })
    }

    pub(super) fn options(&self) -> &CollectionOptions {
        &self.options
    }

    /// Preparation of vectors with all dimensions.
    pub(super) fn preparation(&self) -> Preparation {
        self.preparation
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&Db) -> Result<T, StoreError>,
    ) -> Result<T, CollectionError> {
        self.with_db(|db| Ok(work(db)?))
    }

    /// Looks at the store at one time.
    pub(super) fn view<T>(
        &self,
        work: impl FnOnce(&View) -> Result<T, CollectionError>,
    ) -> Result<T, CollectionError> {
        let dim = self.preparation.input_dim;
        self.with_db(|db| work(&View { read: db.begin_read()?, dim }))
    }

    fn with_db<T>(
        &self,
        work: impl FnOnce(&Db) -> Result<T, CollectionError>,
    ) -> Result<T, CollectionError> {
        let db = self.db.as_ref().filter(|_| !self.broken.load(Ordering::Relaxed));
        let Some(db) = db else {
            let what = "the file; nothing more is read or written until it is opened again".into();
            return Err(CollectionError::Damaged { what });
        };
        let mut finished = false;
        let result = caught(|| {
            let result = work(db);
            finished = true;
            result
        });
        if !finished {
            self.broken.store(true, Ordering::Relaxed);
        }
        result
    }

    /// Checks that the file is still where it was opened: what is written to a file that was deleted or
    /// replaced is lost when it is closed.
    ///
    /// # Errors
    /// [`CollectionError::Gone`].
    pub(super) fn check_place(&self) -> Result<(), CollectionError> {
        match FileId::of(&self.path) {
            Ok(file) if file == self.file => Ok(()),
            _ => Err(CollectionError::Gone { path: self.path.clone() }),
        }
    }

    /// Writes a batch in one transaction, durably. One at a time.
    pub(super) fn apply(&self, batch: &Batch) -> Result<Change, CollectionError> {
        batch.validate()?;
        let mut prepared = Vec::with_capacity(batch.len());
        for (place, (_, entry)) in batch.entries.iter().enumerate() {
            let mut full = Vec::new();
            if let Some(vector) = entry.vector() {
                self.preparation.apply(place, vector, &mut full)?;
                // The segment's search sees the leading dimensions: they need a direction, too.
                if let Some(dim) = self.options.build.truncate {
                    let cut = self.preparation.truncated(dim)?;
                    cut.apply(place, vector, &mut Vec::new())?;
                }
            }
            prepared.push(full);
        }
        let entries = batch.fitted(self.options.schema.as_ref())?;
        self.check_place()?;
        let file = fs::metadata(&self.path).map_err(CollectionError::io(&self.path))?.len();
        let mut oversized = None;
        let result = self.with(|db| {
            let write = db.begin_write()?;
            match apply_entries(&write, entries, prepared, file)? {
                Ok(change) => {
                    write.commit()?;
                    Ok(Some(change))
                }
                Err((id, why)) => {
                    oversized = Some((id, why));
                    write.abort()?;
                    Ok(None)
                }
            }
        })?;
        result.ok_or_else(|| {
            let (id, why) = oversized.unwrap_or((0.into(), String::new()));
            CollectionError::Attribute { id, name: "*".to_owned(), why }
        })
    }

    /// The vectors of `rows` as they were given; rows that are not alive any more are left out, and
    /// from `rows` as well.
    pub(super) fn raw(
        &self,
        rows: &mut BTreeMap<u64, ExternalId>,
    ) -> Result<Vectors, CollectionError> {
        let values = self.view(|view| Ok(view.raw(rows)?))?;
        Ok(Vectors::new(values.as_slice(), self.preparation.input_dim)?)
    }

    /// The segments, oldest first.
    pub(super) fn segments(&self) -> Result<Vec<(u64, Segment)>, CollectionError> {
        self.view(|view| Ok(view.segments()?))
    }

    /// What is stored under each of `ids` at one time; the vector alone unless `whole`.
    pub(super) fn get(
        &self,
        wanted: &[ExternalId],
        whole: bool,
    ) -> Result<Vec<Option<Row>>, CollectionError> {
        let dim = self.preparation.input_dim;
        self.with(|db| {
            let read = db.begin_read()?;
            let (ids, rows) = (read.open_table(IDS)?, read.open_table(ROWS)?);
            let (described, texts) = (read.open_table(ATTRIBUTES)?, read.open_table(TEXTS)?);
            let one = |id: &ExternalId| {
                let Some(row) = row_under(&ids, id)? else { return Ok(None) };
                let Some(value) = rows.get(row)? else {
                    return Err(damaged(format!("`{id}`: its row {row}")));
                };
                let vector = vector(row, id, value.value(), dim)?;
                let mut found = Row { vector, ..Row::default() };
                if whole {
                    if let Some(value) = described.get(row)? {
                        found.attributes = attributes_of(row, value.value())?;
                    }
                    if let Some(value) = texts.get(row)? {
                        found.text = Some(text_of(row, value.value())?.to_owned());
                    }
                }
                Ok(Some(found))
            };
            wanted.iter().map(one).collect()
        })
    }

    /// The texts stored under `ids` at one time.
    pub(super) fn texts_of(
        &self,
        wanted: &[ExternalId],
    ) -> Result<Vec<Option<String>>, CollectionError> {
        self.with(|db| {
            let read = db.begin_read()?;
            let (ids, texts) = (read.open_table(IDS)?, read.open_table(TEXTS)?);
            let one = |id: &ExternalId| {
                let Some(row) = row_under(&ids, id)? else { return Ok(None) };
                let value = texts.get(row)?;
                let text = value.map(|value| text_of(row, value.value()).map(str::to_owned));
                text.transpose()
            };
            wanted.iter().map(one).collect()
        })
    }

    /// The texts of those of `rows` that have one.
    #[cfg(feature = "text")]
    pub(super) fn texts(&self, rows: impl Iterator<Item = u64>) -> Result<Texts, CollectionError> {
        self.view(|view| Ok(view.texts(rows)?))
    }

    /// The least number that no segment had.
    pub(super) fn next_segment(&self) -> Result<u64, CollectionError> {
        self.with(|db| counter(&db.begin_read()?, NEXT_SEGMENT))
    }

    /// Lets segment `new` (number, digest, rows) take the place of the segments `old`.
    pub(super) fn replace_segments(
        &self,
        old: &[u64],
        new: Option<(u64, u64, &[u64])>,
    ) -> Result<(), CollectionError> {
        self.check_place()?;
        self.with(|db| {
            let write = db.begin_write()?;
            {
                let mut segments = write.open_table(SEGMENTS)?;
                for number in old {
                    segments.remove(number)?;
                }
                if let Some((number, digest, rows)) = new {
                    let words = [digest].into_iter().chain(rows.iter().copied());
                    let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
                    let value = of_row("segments", &number.to_le_bytes(), &[]).seal(&bytes);
                    segments.insert(number, value.as_slice())?;
                    set_counter(&write, NEXT_SEGMENT, number + 1)?;
                }
            }
            changed(&write)?;
            write.commit()?;
            Ok(())
        })
    }

    /// Writes everything, as it is at one time, to a new file, after checking it; the numbers of the segments.
    pub(super) fn copy_to(&self, path: &Path) -> Result<Vec<u64>, CollectionError> {
        if let Some(first) = self.problems()?.1.into_iter().next() {
            return Err(CollectionError::Damaged { what: first });
        }
        self.with(|db| {
            let read = db.begin_read()?;
            let copy = Database::create(path)?;
            let write = copy.begin_write()?;
            let mut segments = Vec::new();
            macro_rules! copy {
                ($table:expr $(, $key:ident => $seen:expr)?) => {{
                    let mut to = write.open_table($table)?;
                    for entry in read.open_table($table)?.iter()? {
                        let (key, value) = entry?;
                        $(let $key = key.value(); $seen;)?
                        to.insert(key.value(), value.value())?;
                    }
                }};
            }
            copy!(STATE);
            copy!(ROWS);
            copy!(NAMES);
            copy!(IDS);
            copy!(ATTRIBUTES);
            copy!(TEXTS);
            copy!(SEGMENTS, number => segments.push(number));
            write.commit()?;
            Ok(segments)
        })
    }

    /// Reads everything and says what contradicts itself.
    pub(super) fn problems(&self) -> Result<(usize, Vec<String>), CollectionError> {
        let dim = self.preparation.input_dim;
        self.with(|db| {
            let read = db.begin_read()?;
            let (rows, names, ids) =
                (read.open_table(ROWS)?, read.open_table(NAMES)?, read.open_table(IDS)?);
            let (mut count, mut problems) = (0, Vec::new());
            for entry in rows.iter()? {
                let (row, value) = entry?;
                let row = row.value();
                count += 1;
                let name = names.get(row)?;
                let name = name.as_ref().map(|name| name.value());
                let id = name.and_then(|name| {
                    ExternalId::from_bytes(of_row("names", &row.to_le_bytes(), &[]).open(name)?)
                });
                let Some(id) = id else {
                    problems.push(format!("row {row}: its id is missing or damaged"));
                    continue;
                };
                if let Err(error) = vector(row, &id, value.value(), dim) {
                    problems.push(error.to_string());
                }
                let name = id.to_bytes();
                let back = ids.get(name.as_slice())?;
                match back.map(|back| row_of(&name, back.value())) {
                    Some(Ok(known)) if known == row => {}
                    _ => problems.push(format!("`{id}` does not lead to its row {row}")),
                }
            }
            let described = read.open_table(ATTRIBUTES)?;
            let mut known = 0;
            for entry in described.iter()? {
                let (row, value) = entry?;
                let row = row.value();
                known += 1;
                if rows.get(row)?.is_none() {
                    problems.push(format!("there are attributes of row {row}, but no row"));
                }
                if let Err(error) = attributes_of(row, value.value()) {
                    problems.push(error.to_string());
                }
            }
            if counter(&read, DESCRIBED)? != known {
                problems.push("attributes of some rows are missing".to_owned());
            }
            let mut known = 0;
            for entry in read.open_table(TEXTS)?.iter()? {
                let (row, value) = entry?;
                let row = row.value();
                known += 1;
                if rows.get(row)?.is_none() {
                    problems.push(format!("there is a text of row {row}, but no row"));
                }
                if let Err(error) = text_of(row, value.value()) {
                    problems.push(error.to_string());
                }
            }
            if counter(&read, WORDED)? != known {
                problems.push("texts of some rows are missing".to_owned());
            }
            let mut others = [names.iter()?.count(), ids.iter()?.count()].into_iter();
            if others.any(|other| other != count) {
                problems.push(format!("{count} rows, but another number of ids"));
            }
            Ok((count, problems))
        })
    }
}

/// Which file a path leads to.
#[derive(PartialEq)]
struct FileId((u64, u64));

impl FileId {
    #[cfg(unix)]
    fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).map(|file| Self((file.dev(), file.ino())))
    }

    /// A file that is open cannot be removed.
    #[cfg(not(unix))]
    fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|_| Self((0, 0)))
    }
}

/// Why the store does not open.
fn refused(path: &Path, error: redb::DatabaseError) -> CollectionError {
    match error {
        redb::DatabaseError::DatabaseAlreadyOpen => {
            CollectionError::InUse { path: path.to_owned(), holders: holders(path) }
        }
        redb::DatabaseError::RepairAborted => CollectionError::Unclosed { path: path.to_owned() },
        error => StoreError::from(error).into(),
    }
}

/// The processes that have locked the file, where the system tells (Linux).
fn holders(path: &Path) -> Vec<u32> {
    #[cfg(target_os = "linux")]
    if let (Ok(file), Ok(locks)) = (fs::metadata(path), fs::read_to_string("/proc/locks")) {
        use std::os::unix::fs::MetadataExt;
        let inode = file.ino().to_string();
        // 1: FLOCK  ADVISORY  WRITE 1234 fe:00:567 0 EOF
        let holder = |line: &str| {
            let mut words = line.split_whitespace().skip(4);
            let pid = words.next()?.parse().ok();
            let locked = words.next()?.rsplit(':').next()?;
            pid.filter(|_| locked == inode)
        };
        let mut all: Vec<u32> = locks.lines().filter_map(holder).collect();
        all.sort_unstable();
        all.dedup();
        return all;
    }
    let _ = path;
    Vec::new()
}

pub(super) fn options_json(options: &CollectionOptions) -> Result<Vec<u8>, CollectionError> {
    serde_json::to_vec(options).map_err(|_| CollectionError::Damaged { what: OPTIONS.to_owned() })
}
