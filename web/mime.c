/* Content types by extension, as IANA registers them; sorted for the search. */
#include <string.h>

#include <gust/static.h>

struct type {
    char extension[12];
    gust_str type;
};

#define TYPE(extension, type)                                                                      \
    {                                                                                              \
        extension, GUST_STR_INIT(type)                                                             \
    }

static const struct type types[] = {
    TYPE("3gp", "video/3gpp"),
    TYPE("7z", "application/x-7z-compressed"),
    TYPE("aac", "audio/aac"),
    TYPE("avi", "video/x-msvideo"),
    TYPE("avif", "image/avif"),
    TYPE("bmp", "image/bmp"),
    TYPE("c", "text/x-c"),
    TYPE("conf", "text/plain"),
    TYPE("css", "text/css"),
    TYPE("csv", "text/csv"),
    TYPE("doc", "application/msword"),
    TYPE("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    TYPE("eot", "application/vnd.ms-fontobject"),
    TYPE("epub", "application/epub+zip"),
    TYPE("flac", "audio/flac"),
    TYPE("gif", "image/gif"),
    TYPE("gz", "application/gzip"),
    TYPE("h", "text/x-c"),
    TYPE("heic", "image/heic"),
    TYPE("htm", "text/html"),
    TYPE("html", "text/html"),
    TYPE("ico", "image/vnd.microsoft.icon"),
    TYPE("ics", "text/calendar"),
    TYPE("jar", "application/java-archive"),
    TYPE("jpeg", "image/jpeg"),
    TYPE("jpg", "image/jpeg"),
    TYPE("js", "text/javascript"),
    TYPE("json", "application/json"),
    TYPE("jsonld", "application/ld+json"),
    TYPE("log", "text/plain"),
    TYPE("m3u8", "application/vnd.apple.mpegurl"),
    TYPE("m4a", "audio/mp4"),
    TYPE("m4v", "video/mp4"),
    TYPE("map", "application/json"),
    TYPE("md", "text/markdown"),
    TYPE("mid", "audio/midi"),
    TYPE("midi", "audio/midi"),
    TYPE("mjs", "text/javascript"),
    TYPE("mov", "video/quicktime"),
    TYPE("mp3", "audio/mpeg"),
    TYPE("mp4", "video/mp4"),
    TYPE("mpeg", "video/mpeg"),
    TYPE("mpg", "video/mpeg"),
    TYPE("odp", "application/vnd.oasis.opendocument.presentation"),
    TYPE("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    TYPE("odt", "application/vnd.oasis.opendocument.text"),
    TYPE("oga", "audio/ogg"),
    TYPE("ogg", "audio/ogg"),
    TYPE("ogv", "video/ogg"),
    TYPE("opus", "audio/ogg"),
    TYPE("otf", "font/otf"),
    TYPE("pdf", "application/pdf"),
    TYPE("png", "image/png"),
    TYPE("ppt", "application/vnd.ms-powerpoint"),
    TYPE("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    TYPE("py", "text/x-python"),
    TYPE("rss", "application/rss+xml"),
    TYPE("rtf", "application/rtf"),
    TYPE("sh", "application/x-sh"),
    TYPE("svg", "image/svg+xml"),
    TYPE("tar", "application/x-tar"),
    TYPE("tif", "image/tiff"),
    TYPE("tiff", "image/tiff"),
    TYPE("ts", "video/mp2t"),
    TYPE("tsv", "text/tab-separated-values"),
    TYPE("ttf", "font/ttf"),
    TYPE("txt", "text/plain"),
    TYPE("vtt", "text/vtt"),
    TYPE("wasm", "application/wasm"),
    TYPE("wav", "audio/wav"),
    TYPE("weba", "audio/webm"),
    TYPE("webm", "video/webm"),
    TYPE("webmanifest", "application/manifest+json"),
    TYPE("webp", "image/webp"),
    TYPE("woff", "font/woff"),
    TYPE("woff2", "font/woff2"),
    TYPE("xhtml", "application/xhtml+xml"),
    TYPE("xls", "application/vnd.ms-excel"),
    TYPE("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    TYPE("xml", "application/xml"),
    TYPE("yaml", "application/yaml"),
    TYPE("yml", "application/yaml"),
    TYPE("zip", "application/zip"),
};

/* What stands behind the last dot of the last segment, in lower case. Returns
 * false where there is none, or one that is in no table. */
static bool extension_of(gust_str name, char out[12])
{
    size_t at = name.len;
    while (at > 0 && name.ptr[at - 1] != '.' && name.ptr[at - 1] != '/') {
        at--;
    }
    size_t len = name.len - at;
    if (at == 0 || name.ptr[at - 1] != '.' || len == 0 || len > 11) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = name.ptr[at + i];
        out[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    out[len] = '\0';
    return true;
}

gust_str gust_static_content_type(gust_str filename)
{
    char extension[12];
    size_t low = 0, high = sizeof(types) / sizeof(types[0]);
    while (extension_of(filename, extension) && low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(extension, types[middle].extension);
        if (order == 0) {
            return types[middle].type;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return GUST_STR("application/octet-stream");
}
