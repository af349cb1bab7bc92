//! Tables as all commands print them.

use comfy_table::{Cell, CellAlignment, Table, presets};

/// A table without a header: names and what they are.
pub(crate) fn facts() -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table
}

/// A table of words in all columns.
pub(crate) fn words<H: Into<Cell>>(header: impl IntoIterator<Item = H>) -> Table {
    let mut table = facts();
    table.set_header(header.into_iter().map(Into::into).collect::<Vec<Cell>>());
    table
}

/// A table of numbers, flush right, after a first column of words.
pub(crate) fn numbers<H: Into<Cell>>(header: impl IntoIterator<Item = H>) -> Table {
    let mut table = words(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
