//! A collection and queries as a table: query, id, distance.

use crate::{
    exec::{AnnExec, Question, SCHEMA},
    ids::IdSet,
    shards::external,
};
use async_trait::async_trait;
use crinoid_pipeline::SearchOptions;
use crinoid_quant::Vectors;
use crinoid_shards::{Manifest, Store};
use datafusion::{
    arrow::{
        array::{Array, Float32Array, Int64Array, ListArray, RecordBatch, UInt64Array},
        compute::{cast, concat_batches},
        datatypes::{DataType, Field, Schema, SchemaRef},
    },
    catalog::{Session, TableProvider},
    common::{DataFusionError, Result, TableReference, exec_err, plan_err},
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_expr::expressions::Column,
    physical_plan::{ExecutionPlan, collect, projection::ProjectionExec},
};
use std::sync::{Arc, LazyLock};

/// The columns of answers that are whole.
static WHOLE: LazyLock<SchemaRef> = LazyLock::new(|| {
    let columns = SCHEMA.fields().iter().filter(|field| field.name() != "missing");
    Arc::new(Schema::new(columns.cloned().collect::<Vec<_>>()))
});

/// Queries: one vector, or a table of them.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Vector(Vec<f32>),
    Table(String),
}

/// The nearest rows of a sealed collection to each query, with the columns `query`, `id` and `distance`; and `missing`
/// where answers may be [partial](Self::partial).
#[derive(Clone, Debug)]
pub struct AnnTable {
    location: String,
    asked: Asked,
    options: SearchOptions,
    exact: bool,
    among: Option<String>,
    partial: bool,
}

impl AnnTable {
    pub(crate) fn new(location: String, asked: Asked, k: usize) -> Self {
        let (options, exact, among) = (SearchOptions::for_k(k), false, None);
        Self { location, asked, options, exact, among, partial: false }
    }

    /// One query, called 0.
    pub fn of(location: impl Into<String>, query: Vec<f32>, k: usize) -> Self {
        Self::new(location.into(), Asked::Vector(query), k)
    }

    /// With another effort.
    #[must_use]
    pub fn ef(self, ef: usize) -> Self {
        Self { options: self.options.ef(ef), ..self }
    }

    /// With the effort that reached this recall when the shards were built.
    #[must_use]
    pub fn recall(self, recall: f32) -> Self {
        Self { options: self.options.recall(recall), ..self }
    }

    /// After measuring all rows.
    #[must_use]
    pub fn exact(self) -> Self {
        Self { exact: true, ..self }
    }

    /// Only rows whose ids are in the column `id` of this table.
    #[must_use]
    pub fn among(self, table: impl Into<String>) -> Self {
        Self { among: Some(table.into()), ..self }
    }

    /// Whether shards that are missing may be left out, instead of being an error. A fourth column, `missing`, says how
    /// many of them the answer to the row's query knows nothing of.
    #[must_use]
    pub fn partial(self, partial: bool) -> Self {
        Self { partial, ..self }
    }
}

/// All rows of a table.
pub(crate) async fn rows_of(state: &dyn Session, name: &str) -> Result<RecordBatch> {
    let plan = scan_of(state, name).await?;
    let schema = plan.schema();
    let batches = collect(plan, state.task_ctx()).await?;
    Ok(concat_batches(&schema, &batches)?)
}

/// The scan of a table of the session.
pub(crate) async fn scan_of(state: &dyn Session, name: &str) -> Result<Arc<dyn ExecutionPlan>> {
    let defaults = &state.config_options().catalog;
    let (catalog, schema) = (&defaults.default_catalog, &defaults.default_schema);
    let place = TableReference::from(name).resolve(catalog, schema);
    let schema = state.catalog_list().catalog(&place.catalog);
    let schema = schema.and_then(|catalog| catalog.schema(&place.schema));
    let table = match schema {
        Some(schema) => schema.table(&place.table).await?,
        None => None,
    };
    match table {
        Some(table) => table.scan(state, None, &[], None).await,
        None => plan_err!("there is no table `{name}`"),
    }
}

/// Some of the columns of a plan.
pub(crate) fn projected(
    plan: Arc<dyn ExecutionPlan>,
    columns: Option<&Vec<usize>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(columns) = columns else { return Ok(plan) };
    let schema = plan.schema();
    let columns = columns.iter().map(|&at| {
        let name = schema.field(at).name();
        (Arc::new(Column::new(name, at)) as Arc<_>, name.clone())
    });
    Ok(Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), plan)?))
}

/// A column of vectors.
pub(crate) fn vectors(rows: &RecordBatch, name: &str) -> Result<Vectors> {
    let Some(column) = rows.column_by_name(name) else {
        return plan_err!("the table has no column `{name}` of vectors");
    };
    // A cast makes a list of anything.
    use DataType::{FixedSizeList, LargeList, List};
    if !matches!(column.data_type(), List(_) | LargeList(_) | FixedSizeList(..)) {
        return plan_err!("column `{name}` holds no vectors, but {}", column.data_type());
    }
    let lists = DataType::List(Arc::new(Field::new_list_field(DataType::Float32, true)));
    let column = cast(column, &lists).map_err(|error| {
        DataFusionError::Plan(format!("column `{name}` holds no vectors: {error}"))
    })?;
    let Some(lists) = column.as_any().downcast_ref::<ListArray>() else {
        return plan_err!("column `{name}` holds no vectors");
    };
    let mut values = Vec::new();
    let mut dim = None;
    for row in 0..lists.len() {
        if lists.is_null(row) {
            return exec_err!("column `{name}`: row {row} is null");
        }
        let one = lists.value(row);
        let one = one.as_any().downcast_ref::<Float32Array>().filter(|one| one.null_count() == 0);
        let Some(one) = one else { return exec_err!("column `{name}`: row {row} holds a null") };
        let want = *dim.get_or_insert(one.len());
        if one.len() != want {
            return exec_err!(
                "column `{name}`: row {row} has {} dimensions, others {want}",
                one.len()
            );
        }
        values.extend_from_slice(one.values());
    }
    match dim {
        None => Ok(Vectors::empty(1)),
        Some(dim) => {
            Vectors::new(values, dim).map_err(|error| DataFusionError::External(error.into()))
        }
    }
}

/// A column of ids.
pub(crate) fn ids(rows: &RecordBatch, name: &str) -> Result<Vec<u64>> {
    let Some(column) = rows.column_by_name(name) else {
        return plan_err!("the table has no column `{name}` of ids");
    };
    let column = cast(column, &DataType::UInt64)?;
    match column.as_any().downcast_ref::<UInt64Array>().filter(|ids| ids.null_count() == 0) {
        Some(ids) => Ok(ids.values().to_vec()),
        None => exec_err!(
            "column `{name}` holds a null, or something that is no id (a number from 0 on)"
        ),
    }
}

impl AnnTable {
    /// Everything that the plan needs to know, found out now.
    async fn question(&self, state: &dyn Session, filters: &[Expr]) -> Result<Question> {
        let location = self.location.clone();
        let read = move || Manifest::read(&Store::at(&location)?);
        let read = tokio::task::spawn_blocking(read).await;
        let manifest =
            read.map_err(|error| DataFusionError::External(error.into()))?.map_err(external)?;
        let (queries, names) = match &self.asked {
            Asked::Vector(query) => {
                let one = Vectors::new(query.clone(), query.len().max(1));
                (one.map_err(|error| DataFusionError::External(error.into()))?, vec![0])
            }
            Asked::Table(name) => {
                let rows = rows_of(state, name).await?;
                let names = match rows.column_by_name("id") {
                    None => (0..rows.num_rows() as i64).collect(),
                    Some(column) => {
                        let column = cast(column, &DataType::Int64)?;
                        let names = column.as_any().downcast_ref::<Int64Array>();
                        match names.filter(|names| names.null_count() == 0) {
                            Some(names) => names.values().to_vec(),
                            None => return exec_err!("table `{name}`: column `id` holds a null"),
                        }
                    }
                };
                by_name(vectors(&rows, "vector")?, names)?
            }
        };
        let (got, want) = (queries.dim(), manifest.space.dimension);
        let queries = if queries.is_empty() { Vectors::empty(want) } else { queries };
        if !queries.is_empty() && got != want {
            let place = &self.location;
            return plan_err!(
                "{place}: queries have {got} dimensions, and the collection has {want}"
            );
        }
        let mut among = match &self.among {
            Some(name) => Some(ids(&rows_of(state, name).await?, "id")?.into_iter().collect()),
            None => None::<IdSet>,
        };
        for admitted in filters.iter().filter_map(IdSet::of) {
            among = Some(match among {
                None => admitted,
                Some(ids) => ids.and(admitted),
            });
        }
        Ok(Question {
            location: self.location.clone(),
            manifest: Arc::new(manifest),
            queries: Arc::new(queries),
            names: Arc::new(names),
            options: self.options,
            exact: self.exact,
            among: among.map(Arc::new),
            partial: self.partial,
        })
    }
}

/// Queries in the order of their names, which is that of the answers.
fn by_name(queries: Vectors, names: Vec<i64>) -> Result<(Vectors, Vec<i64>)> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|&at| names[at]);
    if let Some(twice) = order.windows(2).find(|pair| names[pair[0]] == names[pair[1]]) {
        return exec_err!("two queries are called {}: ids must differ", names[twice[0]]);
    }
    let values: Vec<f32> = order.iter().flat_map(|&at| queries.row(at)).copied().collect();
    let sorted = match values.is_empty() {
        true => Ok(queries),
        false => Vectors::new(values, queries.dim()),
    };
    let names = order.iter().map(|&at| names[at]).collect();
    Ok((sorted.map_err(|error| DataFusionError::External(error.into()))?, names))
}

#[async_trait]
impl TableProvider for AnnTable {
    fn schema(&self) -> SchemaRef {
        if self.partial { SCHEMA.clone() } else { WHOLE.clone() }
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // What names rows is a set of rows: the search looks among them. Anything else chooses among the answers.
        let support = |filter: &&Expr| match IdSet::of(filter) {
            Some(_) => TableProviderFilterPushDown::Exact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let whole = AnnExec::whole(self.question(state, filters).await?)?;
        let all = (0..self.schema().fields().len()).collect();
        projected(whole, Some(projection.unwrap_or(&all)))
    }
}
