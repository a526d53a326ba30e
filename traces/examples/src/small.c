/*
 * A small file for a compiler to be recorded with: sorting and searching.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct word {
    char text[24];
    unsigned count;
};

static int
compare_words(const void *a, const void *b)
{
    const struct word *left = a, *right = b;
    if (left->count != right->count)
        return left->count < right->count ? 1 : -1;
    return strcmp(left->text, right->text);
}

static struct word *
find(struct word *words, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(words[i].text, text) == 0)
            return &words[i];
    }
    return NULL;
}

int
main(void)
{
    static struct word words[4096];
    size_t count = 0;
    char text[24];
    while (scanf("%23s", text) == 1) {
        struct word *word = find(words, count, text);
        if (!word && count < sizeof(words) / sizeof(*words)) {
            word = &words[count++];
            strcpy(word->text, text);
        }
        if (word)
            word->count++;
    }
    qsort(words, count, sizeof(*words), compare_words);
    for (size_t i = 0; i < count; i++)
        printf("%6u %s\n", words[i].count, words[i].text);
    return 0;
}
