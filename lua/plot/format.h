/* Numbers as people read them on a screen. Each returns its buffer. */
#ifndef CONTINUO_PLOT_FORMAT_H
#define CONTINUO_PLOT_FORMAT_H

enum { FORMAT_SIZE = 32 };

/* "0.4 s", "53 s", "2m30s", "1h05m", "3d04h", cut down; "-" when not finite. */
char *format_duration(double seconds, char text[FORMAT_SIZE]);
/* Three significant digits, the zeros kept: "2.40", "0.334", "0.0500", "1.20e-05", "1650". */
char *format_value(double value, char text[FORMAT_SIZE]);

#endif
