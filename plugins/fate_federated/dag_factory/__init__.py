"""From a Pipeline to the Airflow DAG of one party."""
