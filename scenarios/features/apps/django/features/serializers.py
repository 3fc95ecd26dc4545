"""What requests may contain: https://www.django-rest-framework.org/api-guide/serializers/"""

from rest_framework import serializers

from shared import work


class Numbers(serializers.Serializer):
    name = serializers.CharField()
    numbers = serializers.ListField(child=serializers.IntegerField())


class Window(serializers.Serializer):
    skip = serializers.IntegerField(min_value=0, default=0)
    limit = serializers.IntegerField(min_value=0, default=10)


class Plan(serializers.Serializer):
    tasks = serializers.IntegerField(min_value=1, max_value=work.TASKS_MAX, default=10)
    ms = serializers.IntegerField(min_value=0, max_value=work.WAIT_MAX_MS, default=1)


class Bounded(serializers.Serializer):
    ms = serializers.IntegerField(min_value=0, max_value=work.WAIT_MAX_MS)
    limit_ms = serializers.IntegerField(min_value=1, max_value=work.WAIT_MAX_MS)


class Person(serializers.Serializer):
    name = serializers.CharField(max_length=50)
    age = serializers.IntegerField(min_value=0, max_value=150)
    email = serializers.RegexField(work.EMAIL)


class Address(serializers.Serializer):
    street = serializers.CharField(max_length=100)
    city = serializers.CharField(max_length=100)
    postcode = serializers.RegexField(work.POSTCODE)


class Item(serializers.Serializer):
    code = serializers.RegexField(work.CODE)
    quantity = serializers.IntegerField(min_value=1, max_value=1_000)
    price_cents = serializers.IntegerField(min_value=0, max_value=10_000_000)


class Purchase(serializers.Serializer):
    buyer = Person()
    address = Address()
    lines = Item(many=True, min_length=1, max_length=100)


class Download(serializers.Serializer):
    bytes = serializers.IntegerField(min_value=0, max_value=work.DOWNLOAD_MAX, default=1 << 20)
    chunk = serializers.IntegerField(min_value=1, max_value=work.CHUNK_MAX, default=64 << 10)


class Task(serializers.Serializer):
    priority = serializers.IntegerField(min_value=0, max_value=9, default=5)
    rounds = serializers.IntegerField(min_value=0, max_value=work.ROUNDS_MAX, default=0)
    wait_ms = serializers.IntegerField(min_value=0, max_value=work.WAIT_MAX_MS, default=0)


class Batch(Task):
    count = serializers.IntegerField(min_value=1, max_value=work.BATCH_MAX)


class Page(serializers.Serializer):
    page = serializers.IntegerField(min_value=1, max_value=10, default=1)


class Line(serializers.Serializer):
    product = serializers.IntegerField()
    quantity = serializers.IntegerField(min_value=1, max_value=1_000)


class Cart(serializers.Serializer):
    lines = Line(many=True, min_length=1, max_length=50)


class Delivery(serializers.Serializer):
    add = serializers.IntegerField(min_value=1, max_value=1_000_000_000)


class Login(serializers.Serializer):
    name = serializers.CharField()
    password = serializers.CharField(allow_blank=True)


class PostDraft(serializers.Serializer):
    title = serializers.CharField(max_length=200)
    text = serializers.CharField(max_length=2_000, allow_blank=True)


class CommentDraft(serializers.Serializer):
    text = serializers.CharField(max_length=200)


class Event(serializers.Serializer):
    kind = serializers.ChoiceField(work.KINDS)
    value = serializers.FloatField(default=0.0)
