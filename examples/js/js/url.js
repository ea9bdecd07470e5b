// `url`: paths as URLs and back.
'use strict';

const { withCode } = require('internal/errors');

module.exports = {
  fileURLToPath(url) {
    const text = typeof url === 'string' ? url : url.href;
    if (!text.startsWith('file://')) throw withCode(TypeError, 'ERR_INVALID_URL_SCHEME', 'The URL must be of scheme file');
    return decodeURIComponent(text.slice('file://'.length));
  },
  pathToFileURL(path) {
    const href = `file://${encodeURI(require('path').resolve(path))}`;
    return { href, protocol: 'file:', pathname: href.slice('file://'.length), toString: () => href };
  },
};
