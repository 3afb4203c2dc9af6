// Runs before the first paint: puts the theme the user chose on the document. Without a choice the
// style sheet follows the system.
(function () {
  try {
    var theme = localStorage.getItem('promontory.theme');
    if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
  } catch (_) {
    /* storage may be blocked: the system's theme then */
  }
})();
