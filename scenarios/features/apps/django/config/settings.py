"""Settings of a project that serves an API: no database of Django's, no sessions, no users.

Choices, with the page of the documentation they come from:
- no DEBUG, hosts, a secret: https://docs.djangoproject.com/en/5.2/howto/deployment/checklist/
- the middleware of `startproject`, without what needs sessions or forms:
  https://docs.djangoproject.com/en/5.2/topics/http/middleware/
- WhiteNoise for static files, which Django itself does not serve in production, compressed when
  they are collected:
  https://whitenoise.readthedocs.io/en/stable/django.html
- JSON alone, and no users: https://www.django-rest-framework.org/api-guide/settings/
"""

import secrets

from shared import settings as shared
from shared import work

DATA = shared.data_dir("django")

DEBUG = False
# Nothing is signed with it, so workers need not share it.
SECRET_KEY = secrets.token_urlsafe()
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]

INSTALLED_APPS = ["django.contrib.staticfiles", "rest_framework", "features"]
MIDDLEWARE = [
    "features.middleware.count_requests",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

STATICFILES_DIRS = [shared.static_dir(DATA)]
STATIC_ROOT = DATA / "collected"
STATIC_URL = "/static/"
STORAGES = {"staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"}}

# A body that is read at once, as JSON is. Uploads are streams.
DATA_UPLOAD_MAX_MEMORY_SIZE = work.UPLOAD_MAX

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
    "EXCEPTION_HANDLER": "features.views.refuse",
}
