-- Where the lines of a page's text stand: four edges of each line of pages.text that is not blank, in order.
CREATE TABLE page_lines (source_id VARCHAR, page INTEGER, edges FLOAT[]);

-- What is filled in in a form: kind is text, checkbox, radio, choice or signature.
CREATE TABLE form_fields (
    source_id VARCHAR, page INTEGER, field_no INTEGER, name VARCHAR, kind VARCHAR, value VARCHAR, checked BOOLEAN,
    x0 DOUBLE, y0 DOUBLE, x1 DOUBLE, y1 DOUBLE
);
