//! The leaf of a plan that searches shards.

use crate::{
    ids::IdSet,
    nearest::NearestExec,
    shards::{Shards, external},
};
use crinoid_pipeline::SearchOptions;
use crinoid_quant::Vectors;
use crinoid_shards::{Counters, Found, Manifest};
use datafusion::{
    arrow::{
        array::{Array, Float32Array, Int64Array, RecordBatch, UInt64Array},
        compute::SortOptions,
        datatypes::{DataType, Field, Schema, SchemaRef},
    },
    common::{Result, exec_err, internal_err, tree_node::TreeNodeRecursion},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::{
        EquivalenceProperties, LexOrdering, Partitioning, PhysicalExpr, PhysicalSortExpr,
        expressions::Column,
    },
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
        execution_plan::{Boundedness, EmissionType},
        metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet},
        sorts::sort_preserving_merge::SortPreservingMergeExec,
        stream::RecordBatchStreamAdapter,
    },
};
use futures::stream;
use rayon::prelude::*;
use std::{
    fmt::{self, Formatter},
    sync::{Arc, LazyLock},
};

/// What comes out: which query, which row, how far; and of how many shards the answer knows nothing.
pub(crate) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("query", DataType::Int64, false),
        Field::new("id", DataType::UInt64, false),
        Field::new("distance", DataType::Float32, false),
        Field::new("missing", DataType::UInt64, false),
    ]))
});

/// Queries to a sealed collection.
#[derive(Clone, Debug)]
pub struct Question {
    /// Where the collection lies: a folder, or the address of an object store.
    pub location: String,
    /// The collection as it was when the query was planned.
    pub manifest: Arc<Manifest>,
    /// The queries, each with what it is called.
    pub queries: Arc<Vectors>,
    /// What each query is called in the answer.
    pub names: Arc<Vec<i64>>,
    /// How many rows are wanted for each, and how they are searched.
    pub options: SearchOptions,
    /// Whether all rows are measured.
    pub exact: bool,
    /// The only ids that may be answers.
    pub among: Option<Arc<IdSet>>,
    /// Whether shards that are not there are left out, and counted, instead of being an error.
    pub partial: bool,
}

/// Searches shards of a sealed collection; the rows of a partition come by query and distance.
///
/// Where shards are missing and may be, each query begins with a row that is no answer: it says how many, in the column
/// `missing`, which is 0 in all others. [`NearestExec`] takes these out.
#[derive(Debug)]
pub struct AnnExec {
    pub(crate) question: Question,
    /// The shards of each partition.
    pub(crate) shards: Vec<Vec<usize>>,
    /// Whether these are missing, because the worker that should search them is gone.
    pub(crate) lost: bool,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// Before all distances, in the order of `f32::total_cmp`: the NaN of a row that is no answer.
const FIRST: f32 = f32::from_bits(u32::MAX);

/// By query, then the nearest first, and of those equally near the lower id.
pub(crate) fn order() -> Result<LexOrdering> {
    let column = |(name, at)| {
        let column = Arc::new(Column::new(name, at)) as Arc<dyn PhysicalExpr>;
        PhysicalSortExpr::new(column, SortOptions { descending: false, nulls_first: false })
    };
    match LexOrdering::new([("query", 0), ("distance", 2), ("id", 1)].map(column)) {
        Some(order) => Ok(order),
        None => internal_err!("an order of three columns is none"),
    }
}

pub(crate) fn properties(partitions: usize) -> Result<Arc<PlanProperties>> {
    let order = EquivalenceProperties::new_with_orderings(SCHEMA.clone(), [order()?]);
    Ok(Arc::new(PlanProperties::new(
        order,
        Partitioning::UnknownPartitioning(partitions),
        EmissionType::Final,
        Boundedness::Bounded,
    )))
}

impl AnnExec {
    /// Searches these shards, those of each partition together.
    ///
    /// # Errors
    /// None that depends on the arguments.
    pub fn new(question: Question, shards: Vec<Vec<usize>>) -> Result<Self> {
        let properties = properties(shards.len())?;
        let metrics = ExecutionPlanMetricsSet::new();
        Ok(Self { question, shards, lost: false, properties, metrics })
    }

    /// The same, but the shards are missing.
    #[must_use]
    pub(crate) fn lost(self, lost: bool) -> Self {
        Self { lost, ..self }
    }

    /// The nearest of what all shards found: what a query of a whole collection is.
    ///
    /// # Errors
    /// None that depends on the arguments.
    pub fn whole(question: Question) -> Result<Arc<dyn ExecutionPlan>> {
        let (k, count) = (question.options.k, question.manifest.shards.len());
        let mut shards: Vec<Vec<usize>> = (0..count).map(|shard| vec![shard]).collect();
        // A plan has one partition at least.
        shards.resize(count.max(1), Vec::new());
        let leaf: Arc<dyn ExecutionPlan> = Arc::new(Self::new(question, shards)?);
        let merged: Arc<dyn ExecutionPlan> = match count {
            0 | 1 => leaf,
            _ => Arc::new(SortPreservingMergeExec::new(order()?, leaf)),
        };
        Ok(Arc::new(NearestExec::new(merged, k, count)?))
    }
}

impl DisplayAs for AnnExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut Formatter<'_>) -> fmt::Result {
        let Question { location, queries, options, exact, among, partial, .. } = &self.question;
        let shards: Vec<usize> = self.shards.iter().flatten().copied().collect();
        write!(
            f,
            "AnnExec: {location}, shards {shards:?}, {} queries, k={}",
            queries.len(),
            options.k
        )?;
        match exact {
            true => write!(f, ", exact")?,
            false => write!(f, ", ef={}", options.ef)?,
        }
        if let Some(ids) = among {
            write!(f, ", among ids of {} ranges", ids.ranges().len())?;
        }
        write!(f, "{}", if *partial { ", partial" } else { "" })?;
        write!(f, "{}", if self.lost { ", worker gone" } else { "" })
    }
}

impl ExecutionPlan for AnnExec {
    fn name(&self) -> &'static str {
        "AnnExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("AnnExec is a leaf") }
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let Some(numbers) = self.shards.get(partition).cloned() else {
            return exec_err!(
                "AnnExec has {} partitions, not {}",
                self.shards.len(),
                partition + 1
            );
        };
        let rows = MetricBuilder::new(&self.metrics).output_rows(partition);
        let time = MetricBuilder::new(&self.metrics).elapsed_compute(partition);
        let metrics = self.metrics.clone();
        let (question, lost) = (self.question.clone(), self.lost);
        let shards = Shards::of(context.session_config());
        let searched = tokio::task::spawn_blocking(move || {
            let _timer = time.timer();
            let all = numbers.par_iter().map(|&number| match lost {
                true => Ok(None),
                false => search(&shards, &question, number),
            });
            let all = all.collect::<Result<Vec<_>>>()?;
            let missing = all.iter().filter(|found| found.is_none()).count();
            let mut each = Vec::with_capacity(all.len());
            for (&number, (answers, counters)) in numbers.iter().zip(all.into_iter().flatten()) {
                let count = |name| MetricBuilder::new(&metrics).counter(name, number);
                count("evaluations").add(counters.distances as usize);
                count("hops").add(counters.hops as usize);
                each.push(answers);
            }
            let answers = merged(each, question.names.len(), question.options.k);
            let batch = batch(&question.names, &answers, missing as u64)?;
            rows.add(batch.num_rows());
            Ok(batch)
        });
        let once = stream::once(async move {
            match searched.await {
                Ok(batch) => batch,
                Err(error) => exec_err!("the search ended without an answer: {error}"),
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(SCHEMA.clone(), once)))
    }
}

/// What one shard finds for each query, and what it cost; nothing where it cannot be opened, and need not.
fn search(
    shards: &Shards,
    question: &Question,
    number: usize,
) -> Result<Option<(Vec<Vec<Found>>, Counters)>> {
    let Question { location, manifest, queries, options, exact, among, partial, .. } = question;
    let shard = match shards.shard(location, manifest, number) {
        Err(_) if *partial => return Ok(None),
        shard => shard.map_err(external)?,
    };
    let filter = among.as_ref().map(|ids| shard.filter(|id| ids.contains(id)));
    let found = match exact {
        true => shard.search_exact_batch(queries, options.k, filter.as_ref()),
        false => shard.search_batch_counted(queries, options, filter.as_ref()),
    };
    found.map(Some).map_err(|error| external(error.into()))
}

/// The `k` nearest to each query of what several shards found.
fn merged(mut each: Vec<Vec<Vec<Found>>>, queries: usize, k: usize) -> Vec<Vec<Found>> {
    if each.len() == 1 {
        return each.pop().unwrap_or_default();
    }
    let one = |query: usize| {
        let found = each.iter().filter_map(|answers| answers.get(query)).flatten();
        let mut found: Vec<Found> = found.copied().collect();
        found.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.id.cmp(&b.id)));
        // A row that lies in several shards is as far away in each.
        found.dedup_by_key(|one| one.id);
        found.truncate(k);
        found
    };
    (0..queries).map(one).collect()
}

/// Answers as rows, and before those of each query one that says how many shards are missing, if any are.
fn batch(names: &[i64], answers: &[Vec<Found>], missing: u64) -> Result<RecordBatch> {
    let mut rows = Vec::new();
    for (&name, found) in names.iter().zip(answers) {
        rows.extend((missing > 0).then_some((name, 0, FIRST, missing)));
        rows.extend(found.iter().map(|one| (name, one.id, one.distance, 0)));
    }
    let columns: Vec<Arc<dyn Array>> = vec![
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))),
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.1))),
        Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| row.2))),
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.3))),
    ];
    Ok(RecordBatch::try_new(SCHEMA.clone(), columns)?)
}
