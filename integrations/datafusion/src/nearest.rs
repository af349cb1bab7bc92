//! The node that keeps the nearest of what shards found, and counts those that are missing.

use crate::exec::{SCHEMA, order, properties};
use datafusion::{
    arrow::{
        array::{Array, Int64Array, RecordBatch, UInt64Array},
        compute::filter_record_batch,
    },
    common::{Result, exec_err, internal_err, tree_node::TreeNode, tree_node::TreeNodeRecursion},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::PhysicalExpr,
    physical_expr_common::sort_expr::OrderingRequirements,
    physical_plan::{
        DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, PlanProperties,
        metrics::{ExecutionPlanMetricsSet, Gauge, MetricBuilder, MetricsSet},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::StreamExt;
use std::{
    collections::HashSet,
    fmt::{self, Formatter},
    sync::Arc,
};

/// The metric of how many shards are missing.
const MISSING: &str = "missing_shards";

/// Of rows that come by query and distance, the first `k` of each query; of a row that lies in several shards one.
///
/// The column `missing` of its rows says how many shards the query could not ask.
#[derive(Debug)]
pub struct NearestExec {
    pub(crate) input: Arc<dyn ExecutionPlan>,
    pub(crate) k: usize,
    /// How many shards there are.
    pub(crate) shards: usize,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl NearestExec {
    /// Of `input`, which has one partition, and searches so many shards.
    ///
    /// # Errors
    /// None that depends on the arguments.
    pub fn new(input: Arc<dyn ExecutionPlan>, k: usize, shards: usize) -> Result<Self> {
        let (properties, metrics) = (properties(1)?, ExecutionPlanMetricsSet::new());
        Ok(Self { input, k, shards, properties, metrics })
    }
}

/// How many shards the queries of a plan could not ask, as far as it has been executed: 0 where all answers are whole.
pub fn missing_shards(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let mut missing = 0;
    // The closure returns no error.
    let _ = plan.apply(|node| {
        if node.downcast_ref::<NearestExec>().is_some() {
            let metrics = node.metrics().unwrap_or_default();
            let counted = metrics.sum_by_name(MISSING).map_or(0, |value| value.as_usize());
            missing = missing.max(counted);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    missing
}

/// The child of the node called `name`, of which it has one.
pub(crate) fn only_child(
    name: &str,
    children: Vec<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    match <[_; 1]>::try_from(children) {
        Ok([child]) => Ok(child),
        Err(children) => internal_err!("{name} has one child, not {}", children.len()),
    }
}

impl DisplayAs for NearestExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "NearestExec: k={}", self.k)
    }
}

impl ExecutionPlan for NearestExec {
    fn name(&self) -> &'static str {
        "NearestExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::SinglePartition]
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        vec![order().ok().map(Into::into)]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
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
        // What a copy with another input counts is read from the plan that was made first.
        let metrics = self.metrics.clone();
        let own = Self::new(only_child("NearestExec", children)?, self.k, self.shards)?;
        Ok(Arc::new(Self { metrics, ..own }))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let gauge = MetricBuilder::new(&self.metrics).gauge(MISSING, partition);
        let mut nearest = Nearest::new(self.k, self.shards, gauge);
        let input = self.input.execute(partition, context)?;
        let kept = input.map(move |rows| nearest.kept(&rows?));
        Ok(Box::pin(RecordBatchStreamAdapter::new(SCHEMA.clone(), kept)))
    }
}

/// Where the rows have come to.
struct Nearest {
    k: usize,
    shards: usize,
    gauge: Gauge,
    query: Option<i64>,
    /// The ids that this query has.
    seen: HashSet<u64>,
    /// The shards that it has not.
    missing: u64,
}

impl Nearest {
    fn new(k: usize, shards: usize, gauge: Gauge) -> Self {
        Self { k, shards, gauge, query: None, seen: HashSet::new(), missing: 0 }
    }

    fn kept(&mut self, rows: &RecordBatch) -> Result<RecordBatch> {
        let names = rows.column(0).as_any().downcast_ref::<Int64Array>();
        let [ids, absent] = [1, 3].map(|at| rows.column(at).as_any().downcast_ref::<UInt64Array>());
        let (Some(names), Some(ids), Some(absent)) = (names, ids, absent) else {
            return internal_err!("NearestExec: columns of another kind");
        };
        let (mut keep, mut missing) = (Vec::with_capacity(rows.num_rows()), Vec::new());
        for ((&name, &id), &absent) in names.values().iter().zip(ids.values()).zip(absent.values())
        {
            if self.query != Some(name) {
                self.query = Some(name);
                self.seen.clear();
                self.missing = 0;
            }
            if absent > 0 {
                self.missing += absent;
                self.gauge.set_max(self.missing as usize);
                if self.missing >= self.shards as u64 {
                    return exec_err!(
                        "none of the {} shards is there: there is no answer, not even a part of one",
                        self.shards
                    );
                }
                keep.push(false);
                continue;
            }
            keep.push(self.seen.len() < self.k && self.seen.insert(id));
            missing.extend((keep.last() == Some(&true)).then_some(self.missing));
        }
        let kept = filter_record_batch(rows, &keep.into())?;
        let mut columns = kept.columns().to_vec();
        columns[3] = Arc::new(UInt64Array::from(missing)) as Arc<dyn Array>;
        Ok(RecordBatch::try_new(SCHEMA.clone(), columns)?)
    }
}
