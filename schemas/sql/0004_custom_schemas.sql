-- Custom schemas ever used here, and the table that has the rows of each: x_<name>, or x_<name>_<hash8> while another
-- schema of that name has that. columns: JSON of column → type.
CREATE TABLE custom_schemas (name VARCHAR, hash VARCHAR, table_name VARCHAR, columns VARCHAR, json_schema VARCHAR);
