#include "base/csv.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"

enum { FILE_LIMIT = 1 << 30, FIELDS_MAX = 4096 };

struct reader {
    const char *path;
    struct csv *csv;
    ptrdiff_t room, line; /* rows there is memory for; the line being read */
    char separator;       /* ' ': blanks; 0: not seen yet */
};

static char *skip_blanks(char *at) {
    while (*at == ' ' || *at == '\t' || *at == '\r') {
        at++;
    }
    return at;
}

/* Ends the field at *at and moves on to the next one; returns the field without blanks around it,
 * or NULL behind the last. */
static char *next_field(const struct reader *reader, char **at) {
    char *field = *at;
    if (!field) {
        return NULL;
    }
    field = skip_blanks(field);
    char *end = field;
    while (*end &&
           (reader->separator == ' ' ? !isspace((unsigned char)*end) : *end != reader->separator)) {
        end++;
    }
    *at = *end ? end + 1 : NULL;
    if (*at && reader->separator == ' ' && !*skip_blanks(*at)) {
        *at = NULL; /* blanks at the end separate nothing */
    }
    *end = '\0';
    while (end > field && isspace((unsigned char)end[-1])) {
        *--end = '\0';
    }
    return field;
}

static bool is_number(const char *field, double *value) {
    char *end;
    *value = strtod(field, &end);
    return end != field && !*end;
}

static bool grow(struct reader *reader, struct error *error) {
    struct csv *csv = reader->csv;
    if (csv->rows < reader->room) {
        return true;
    }
    const ptrdiff_t room = reader->room ? 2 * reader->room : 256;
    double *values = realloc(csv->values, (size_t)(room * csv->columns) * sizeof *values);
    csv->values = values ? values : csv->values;
    ptrdiff_t *lines = realloc(csv->lines, (size_t)room * sizeof *lines);
    csv->lines = lines ? lines : csv->lines;
    if (!values || !lines) {
        return error_set(error, ERROR_MEMORY, "no memory for %td rows of %s", room, reader->path);
    }
    reader->room = room;
    return true;
}

/* Adds the fields of a line as a row; *heading is set when they are names instead, which the first
 * line of all alone may be. */
static bool read_row(struct reader *reader, char *text, bool *heading, struct error *error) {
    struct csv *csv = reader->csv;
    double row[FIELDS_MAX];
    ptrdiff_t count = 0;
    const bool first = csv->columns == 0;
    for (char *at = text, *field; (field = next_field(reader, &at)) != NULL; count++) {
        char quoted[TEXT_QUOTE_SIZE];
        if (count == FIELDS_MAX) {
            return error_set(error, ERROR_FORMAT, "%s, line %td has more than %d fields",
                             reader->path, reader->line, FIELDS_MAX);
        }
        if (!is_number(field, &row[count])) {
            if (first) {
                *heading = true;
                return true;
            }
            return error_set(error, ERROR_FORMAT, "%s, line %td: field %td is %s, not a number",
                             reader->path, reader->line, count + 1, text_quote(quoted, field));
        }
        if (!isfinite(row[count])) {
            return error_set(error, ERROR_FORMAT, "%s, line %td: field %td is %s, not finite",
                             reader->path, reader->line, count + 1, text_quote(quoted, field));
        }
    }
    csv->columns = first ? count : csv->columns;
    if (count != csv->columns) {
        return error_set(error, ERROR_FORMAT, "%s, line %td has %td fields, and line %td has %td",
                         reader->path, reader->line, count, csv->lines[0], csv->columns);
    }
    if (!grow(reader, error)) {
        return false;
    }
    memcpy(csv->values + csv->rows * count, row, (size_t)count * sizeof *row);
    csv->lines[csv->rows++] = reader->line;
    return true;
}

static bool read_lines(struct reader *reader, char *text, struct error *error) {
    bool heading = false;
    if (!strncmp(text, "\xEF\xBB\xBF", 3)) { /* byte order mark */
        text += 3;
    }
    for (char *line = text, *next; line; line = next) {
        reader->line++;
        next = strchr(line, '\n');
        if (next) {
            *next++ = '\0';
        }
        line = skip_blanks(line);
        if (!*line || *line == '#') {
            continue;
        }
        if (!reader->separator) {
            reader->separator = strchr(line, ';') ? ';' : strchr(line, ',') ? ',' : ' ';
        }
        const bool headed = heading;
        if (!read_row(reader, line, &heading, error)) {
            return false;
        }
        if (headed && heading && reader->csv->rows == 0) {
            return error_set(error, ERROR_FORMAT,
                             "%s, line %td is not of numbers, nor is the heading above it; numbers "
                             "are expected from there on",
                             reader->path, reader->line);
        }
    }
    return reader->csv->rows > 0 ||
           error_set(error, ERROR_FORMAT, "%s has no row of numbers", reader->path);
}

bool csv_read(const char *path, struct csv *csv, struct error *error) {
    size_t size;
    struct reader reader = {.path = path, .csv = csv};
    char *text = file_read(path, FILE_LIMIT, &size, error);
    if (!text) {
        return false;
    }
    *csv = (struct csv){0};
    const bool good =
        strlen(text) == size
            ? read_lines(&reader, text, error)
            : error_set(error, ERROR_FORMAT, "%s is not a text: it has a zero byte at %zu", path,
                        strlen(text));
    free(text);
    if (!good) {
        csv_release(csv);
    }
    return good;
}

void csv_release(struct csv *csv) {
    free(csv->values);
    free(csv->lines);
    *csv = (struct csv){0};
}
