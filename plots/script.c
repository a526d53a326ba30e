/*
 * What every script begins with.
 *
 * Colours are those of Okabe and Ito, which colour-blind readers can tell
 * apart; 8 colours, 5 dashes and 7 points have no common divisor, so 40 lines
 * differ from each other.
 */
#include "plots/script.h"

#include "plots/labels.h"

#include <string.h>

#define TITLE_CHARACTERS  100
#define COMMON_CHARACTERS 120

static const char *const term_names[] = {"svg", "png", "pdf"};

const char *
script_term_name(enum plot_term term)
{
    return term_names[term];
}

/*
 * Between double quotes, every byte that might mean something to gnuplot as an
 * octal escape.  (Single quotes need none, but gnuplot 5.4 takes a doubled one
 * at the beginning for the end, and what follows for a command.)
 */
static void
quote(GString *script, const char *text, bool is_tic)
{
    g_string_append_c(script, '"');
    for (; *text; text++) {
        if (is_tic && *text == '%')
            g_string_append(script, "%");
        if (g_ascii_iscntrl(*text))
            g_string_append_c(script, ' ');
        else if (g_ascii_isalnum(*text) || strchr(" -_.,:;=+/()<>%", *text) ||
                 (guchar)*text >= 0x80)
            g_string_append_c(script, *text);
        else
            g_string_append_printf(script, "\\%03o", (unsigned)*text);
    }
    g_string_append_c(script, '"');
}

void
script_quote(GString *script, const char *text)
{
    quote(script, text, false);
}

void
script_quote_tic(GString *script, const char *text)
{
    quote(script, text, true);
}

void
script_array(GString *script, const char *name, const GPtrArray *texts)
{
    g_string_append_printf(script, "array %s[%u] = [", name, texts->len);
    for (unsigned i = 0; i < texts->len; i++) {
        g_string_append(script, i > 0 ? ", \\\n    " : "");
        script_quote(script, texts->pdata[i]);
    }
    g_string_append(script, "]\n");
}

static const char terminals[] =
    "if (term eq 'svg') {\n"
    "    set terminal svg noenhanced size width,height dynamic rounded \\\n"
    "        background rgb 'white' font 'sans-serif,12'\n"
    "}\n"
    "if (term eq 'png') {\n"
    "    set terminal pngcairo noenhanced size width,height rounded \\\n"
    "        font 'sans-serif,10'\n"
    "}\n"
    "if (term eq 'pdf') {\n"
    "    set terminal pdfcairo noenhanced size width/96.0,height/96.0 \\\n"
    "        rounded font 'sans-serif,10'\n"
    "}\n"
    "if (term eq 'dumb') {\n"
    "    set terminal dumb noenhanced size width/9,height/18\n"
    "}\n"
    "set output out\n"
    "\n";

static const char look[] =
    "set encoding utf8\n"
    "set datafile separator tab\n"
    "set datafile missing NaN\n"
    "set datafile columnheaders\n"
    "set datafile commentschars ''\n"
    "color = '#0072B2 #E69F00 #009E73 #CC79A7 #56B4E9 #D55E00 #F0E442 "
    "#999999'\n"
    "point = '7 5 9 11 13 4 6'\n"
    "do for [i=1:40] {\n"
    "    dash = (i - 1) % 5 + 1\n"
    "    mark = word(point, (i - 1) % 7 + 1) + 0\n"
    "    set linetype i lc rgb word(color, (i - 1) % 8 + 1) lw 2 \\\n"
    "        dt dash pt mark\n"
    "}\n"
    "set linetype cycle 40\n"
    "set border 3 lc rgb '#666666'\n"
    "set tics nomirror out scale 0.5 textcolor rgb 'black'\n"
    "set grid lc rgb '#dddddd' lw 1 dt 1\n"
    "set style fill solid noborder\n"
    "\n";

void
script_begin(struct picture *picture, enum plot_term term, unsigned width,
             unsigned height)
{
    picture->script = g_string_new(NULL);
    g_string_append_printf(
        picture->script,
        "# The data are in %s.tsv beside this script.  To draw again:\n"
        "#   gnuplot %s.gp\n"
        "#   gnuplot -e \"term='png'; out='other.png'\" %s.gp\n"
        "# term is svg, png, pdf or dumb.\n\n"
        "if (!exists('term')) term = '%s'\n"
        "dir = exists('ARG0') ? ARG0 : ''\n"
        "while (strlen(dir) > 0 && dir[strlen(dir):] ne '/') "
        "{ dir = dir[:strlen(dir) - 1] }\n"
        "in = dir . '%s.tsv'\n"
        "if (!exists('out')) out = dir . '%s.' . term\n"
        "width = %u\n"
        "height = %u\n",
        picture->name, picture->name, picture->name, term_names[term],
        picture->name, picture->name, width, height);
    g_string_append(picture->script, terminals);
    g_string_append(picture->script, look);
}

void
script_title(struct picture *picture, const struct plot_runs *runs)
{
    g_autofree char *title = plot_shorten(picture->title, TITLE_CHARACTERS);
    g_autofree char *common = plot_shorten(runs->common, COMMON_CHARACTERS);

    g_string_append(picture->script, "title = ");
    script_quote(picture->script, title);
    g_string_append(picture->script, "\ncommon = ");
    script_quote(picture->script, common);
    g_string_append(
        picture->script,
        "\nset label 1 title at screen 0, screen 1 left offset 1.5,-1.3 "
        "\\\n    font (term eq 'svg' ? ',16' : ',12')\n"
        "set label 2 common at screen 0, screen 1 left offset 1.5,-2.7 "
        "\\\n    textcolor rgb '#555555'\n"
        "set tmargin 4.5\n");
}
