//! Rows that become a collection: the sink of a plan, which says what it made.

use crate::{
    files::{self, FilesError},
    nearest::only_child,
    shards::external,
    table::{ids, projected, scan_of, vectors},
};
use async_trait::async_trait;
use crinoid_pipeline::BuildOptions;
use crinoid_quant::Metric;
use crinoid_shards::{SealOptions, Sealed, Store};
use datafusion::{
    arrow::{
        array::{Array, RecordBatch, StringArray, UInt64Array},
        compute::concat_batches,
        datatypes::{DataType, Field, Schema, SchemaRef},
    },
    catalog::{Session, TableProvider},
    common::{DataFusionError, Result, exec_err, internal_err, tree_node::TreeNodeRecursion},
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{Expr, TableType},
    physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr},
    physical_plan::{
        DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, PlanProperties,
        coalesce_partitions::CoalescePartitionsExec,
        execution_plan::{Boundedness, EmissionType},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{TryStreamExt, stream};
use std::{
    fmt::{self, Formatter},
    sync::{Arc, LazyLock},
};

/// What a build says.
static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("collection", DataType::Utf8, false),
        Field::new("rows", DataType::UInt64, false),
        Field::new("shards", DataType::UInt64, false),
        Field::new("bytes", DataType::UInt64, false),
        Field::new("recipe", DataType::Utf8, false),
    ]))
});

/// Where rows come from.
#[derive(Clone, Debug)]
pub(crate) enum Rows {
    /// A table of the session.
    Table(String),
    /// Files, by their paths.
    Files(Vec<String>),
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(name) => write!(f, "{name}"),
            Self::Files(files) => write!(f, "{}", files.join(", ")),
        }
    }
}

/// A table of one row, which is there when the collection is.
#[derive(Clone, Debug)]
pub(crate) struct BuildTable {
    pub(crate) rows: Rows,
    pub(crate) column: String,
    pub(crate) location: String,
    pub(crate) shards: usize,
    pub(crate) metric: Metric,
    pub(crate) ids: Option<String>,
}

#[async_trait]
impl TableProvider for BuildTable {
    fn schema(&self) -> SchemaRef {
        SCHEMA.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows: Option<Arc<dyn ExecutionPlan>> = match &self.rows {
            Rows::Files(_) => None,
            Rows::Table(name) => {
                Some(Arc::new(CoalescePartitionsExec::new(scan_of(state, name).await?)))
            }
        };
        let whole: Arc<dyn ExecutionPlan> = Arc::new(BuildExec::new(self.clone(), rows));
        projected(whole, projection)
    }
}

#[derive(Debug)]
struct BuildExec {
    table: BuildTable,
    /// `None`: files, which the build reads by itself.
    rows: Option<Arc<dyn ExecutionPlan>>,
    properties: Arc<PlanProperties>,
}

impl BuildExec {
    fn new(table: BuildTable, rows: Option<Arc<dyn ExecutionPlan>>) -> Self {
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(SCHEMA.clone()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        ));
        Self { table, rows, properties }
    }
}

impl DisplayAs for BuildExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "AnnBuildExec: {} of {} in {} shards",
            self.table.location, self.table.rows, self.table.shards
        )
    }
}

impl ExecutionPlan for BuildExec {
    fn name(&self) -> &'static str {
        "AnnBuildExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        self.rows.iter().map(|_| Distribution::SinglePartition).collect()
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        self.rows.iter().map(|_| false).collect()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.rows.iter().collect()
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
        let rows = match (&self.rows, children.is_empty()) {
            (Some(_), _) => Some(only_child("AnnBuildExec", children)?),
            (None, true) => None,
            (None, false) => return internal_err!("AnnBuildExec over files is a leaf"),
        };
        Ok(Arc::new(Self::new(self.table.clone(), rows)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let table = self.table.clone();
        let rows = self.rows.as_ref().map(|rows| rows.execute(partition, context)).transpose()?;
        let once = stream::once(async move {
            let rows = match rows {
                None => None,
                Some(rows) => {
                    let schema = rows.schema();
                    let batches: Vec<RecordBatch> = rows.try_collect().await?;
                    Some(concat_batches(&schema, &batches)?)
                }
            };
            match tokio::task::spawn_blocking(move || built(&table, rows.as_ref())).await {
                Ok(said) => said,
                Err(error) => exec_err!("the build ended without a collection: {error}"),
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(SCHEMA.clone(), once)))
    }
}

/// Builds the collection, of these rows of a table, or of files.
fn built(table: &BuildTable, rows: Option<&RecordBatch>) -> Result<RecordBatch> {
    let (column, names) = (table.column.as_str(), table.ids.as_deref());
    let (vectors, ids) = match (rows, &table.rows) {
        (None, Rows::Files(files)) => {
            let column = (!column.is_empty()).then_some(column);
            let failed = |error: FilesError| DataFusionError::External(error.into());
            files::read(files, column, names).map_err(failed)?
        }
        (Some(rows), _) => (vectors(rows, column)?, names.map(|name| ids(rows, name)).transpose()?),
        (None, Rows::Table(name)) => return internal_err!("nobody read table `{name}`"),
    };
    let options =
        SealOptions::new(table.shards).build(BuildOptions::default().metric(table.metric));
    let store = Store::at(&table.location).map_err(external)?;
    let sealed = Sealed::build(store, &vectors, ids.as_deref(), &options, &()).map_err(external)?;
    let manifest = sealed.manifest();
    let bytes = manifest.shards.iter().map(|entry| entry.bytes).sum();
    let number = |value: u64| Arc::new(UInt64Array::from(vec![value])) as Arc<dyn Array>;
    let text = |value: String| Arc::new(StringArray::from(vec![value])) as Arc<dyn Array>;
    Ok(RecordBatch::try_new(
        SCHEMA.clone(),
        vec![
            text(table.location.clone()),
            number(manifest.rows),
            number(manifest.shards.len() as u64),
            number(bytes),
            text(manifest.recipe.to_string()),
        ],
    )?)
}
