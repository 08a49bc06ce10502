"""ColumnExpand: further columns, each of one value."""
