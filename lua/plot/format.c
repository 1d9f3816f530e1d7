#include "lua/plot/format.h"

#include <math.h>
#include <stdio.h>

char *format_duration(double seconds, char text[FORMAT_SIZE]) {
    if (!isfinite(seconds) || seconds > 1e9) {
        (void)snprintf(text, FORMAT_SIZE, "-");
    } else if (seconds < 9.95) {
        (void)snprintf(text, FORMAT_SIZE, "%.1f s", fmax(0, seconds));
    } else if (seconds < 60) {
        (void)snprintf(text, FORMAT_SIZE, "%d s", (int)seconds);
    } else {
        int whole = (int)seconds, minutes = whole / 60, hours = whole / 3600;
        if (whole < 3600) {
            (void)snprintf(text, FORMAT_SIZE, "%dm%02ds", whole / 60, whole % 60);
        } else if (minutes < 24 * 60) {
            (void)snprintf(text, FORMAT_SIZE, "%dh%02dm", minutes / 60, minutes % 60);
        } else {
            (void)snprintf(text, FORMAT_SIZE, "%dd%02dh", hours / 24, hours % 24);
        }
    }
    return text;
}

char *format_value(double value, char text[FORMAT_SIZE]) {
    double size = fabs(value);
    if (isnan(value)) {
        (void)snprintf(text, FORMAT_SIZE, "nan");
    } else if (isinf(value)) {
        (void)snprintf(text, FORMAT_SIZE, "%sinf", value < 0 ? "-" : "");
    } else if (value == 0) {
        (void)snprintf(text, FORMAT_SIZE, "0");
    } else if (size >= 99.95 && size < 1e6) {
        (void)snprintf(text, FORMAT_SIZE, "%.0f", value);
    } else if (size < 1e-3 || size >= 1e6) {
        (void)snprintf(text, FORMAT_SIZE, "%.2e", value);
    } else {
        int decimals = 2 - (int)floor(log10(size));
        (void)snprintf(text, FORMAT_SIZE, "%.*f", decimals, value);
    }
    return text;
}
